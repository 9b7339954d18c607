"""A task that begins at once, where it is made, and is not put on the list of all tasks.

asyncio's own (until Python 3.12, whose `eager_task_factory` is the model) waits for the next turn of the loop, and its entry in
the list of all tasks, a set of weak references, costs a request as much as its decoding. One that waits for nothing needs
no turn at all; whoever makes them keeps a list of his own: of HTTP requests the server, of neighbours' messages the links.
Otherwise it is what `asyncio.current_task`, `timeout`, `TaskGroup` and anyio take a task for: the documentation of asyncio
names what a task of somebody else's must do (Extending, Task lifetime support).
"""

import asyncio
import sys
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine
from contextvars import Context, copy_context
from typing import Any, cast

__all__ = ["EagerTask"]

_TAKES_BACK = sys.version_info >= (3, 13)
"""Whether a request that was taken back before it was delivered is forgotten."""


class EagerTask(asyncio.Future[None]):
    """Runs a coroutine in a context of its own. `begin` is called once."""

    __slots__ = ("_cancelling", "_context", "_coroutine", "_fut_waiter", "_message", "_must_cancel", "_name", "_on")

    def __init__(self, coroutine: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._on = loop
        self._coroutine = coroutine
        self._context = copy_context()
        # By these two names anyio looks for what a task waits for.
        self._fut_waiter: asyncio.Future[Any] | None = None
        self._must_cancel = False
        self._message: Any = None
        self._cancelling = 0
        self._name = ""

    def begin(self) -> None:
        """Run until the coroutine waits for something; in the next turn where a task is running already."""
        if asyncio.current_task(self._on) is None:
            self._context.run(self._go_on)
        else:
            self._on.call_soon(self._go_on, context=self._context)

    def cancel(self, msg: Any | None = None) -> bool:
        """Ask for the end, as of a task."""
        if self.done():
            return False
        self._cancelling += 1
        waiter = self._fut_waiter
        if waiter is None or not waiter.cancel(msg):
            self._must_cancel = True
            self._message = msg
        return True

    def cancelling(self) -> int:
        """Return how many requests to end there are that nobody has taken back."""
        return self._cancelling

    def uncancel(self) -> int:
        """Take one back; return how many are left."""
        self._cancelling -= self._cancelling > 0
        if _TAKES_BACK and not self._cancelling:
            self._must_cancel = False
        return self._cancelling

    def get_coro(self) -> Coroutine[Any, Any, None]:
        """Return what it runs."""
        return self._coroutine

    def get_context(self) -> Context:
        """Return the context it runs in."""
        return self._context

    def get_name(self) -> str:
        """Return its name."""
        return self._name or f"eager-{id(self):x}"

    def set_name(self, value: object) -> None:
        """Give it a name."""
        self._name = str(value)

    def _go_on(self, _: object = None) -> None:
        # What was waited for tells its own result: the coroutine asks the future it has awaited.
        this = cast("asyncio.Task[None]", self)
        self._fut_waiter = None
        _enter_task(self._on, this)
        try:
            if self._must_cancel:
                self._must_cancel = False
                awaited = self._coroutine.throw(asyncio.CancelledError(*(() if self._message is None else (self._message,))))
            else:
                awaited = self._coroutine.send(None)
        except StopIteration:
            if self._must_cancel:  # it was asked just before it came to its end
                self._must_cancel = False
                super().cancel(self._message)
            else:
                self.set_result(None)
        except asyncio.CancelledError:
            super().cancel()
        except (KeyboardInterrupt, SystemExit) as end:
            self.set_exception(end)
            raise
        except BaseException as error:
            self.set_exception(error)
        else:
            self._wait_for(awaited)
        finally:
            _leave_task(self._on, this)

    def _wait_for(self, awaited: Any) -> None:
        if awaited is None:  # a bare yield: the next turn
            self._on.call_soon(self._go_on, context=self._context)
        elif getattr(awaited, "_asyncio_future_blocking", False):
            awaited._asyncio_future_blocking = False
            awaited.add_done_callback(self._go_on, context=self._context)
            self._fut_waiter = awaited
            if self._must_cancel and awaited.cancel(self._message):
                self._must_cancel = False
        else:
            wrong = RuntimeError(f"an eager task got {awaited!r} to wait for, which is no future")
            self._on.call_soon(self._fail, wrong, context=self._context)

    def _fail(self, wrong: RuntimeError) -> None:
        self._coroutine.close()
        self.set_exception(wrong)
