"""A conversation with one answerer, as the asker has it: many messages and answers over one stream of gRPC.

A call of gRPC costs each side more than a hundred microseconds, of which the message is the least: what waits while a bundle is
written goes into the next one, so that the price is shared by all who ask at the same time. A conversation carries nothing before
it was greeted; until then, and where it ended, messages go one by one.

What is certain when it ends: a message that was not handed to gRPC was seen by nobody; and who ends it in order has said
something to all that he took.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import grpc
from grpc import aio

from armature.adapters.grpc.bundles import ANSWER, LEAVING, REFUSED, Asked, Said, asking, said_in
from armature.adapters.grpc.outcomes import Leaving, NotTaken
from armature.ports.links import LinkError, LinkLate, LinkLost, LinkRefused

__all__ = ["Talk"]


class Talk:
    """Begins when it is made. `ended` is told once, with gRPC's code."""

    def __init__(
        self, call: "aio.StreamStreamCall[bytes, bytes]", process: str, ended: Callable[[grpc.StatusCode], None]
    ) -> None:
        self._call: Any = call
        self._process = process
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._numbers = count(1)
        self._queue: deque[Asked] = deque()
        self._handed_over = 0
        self._wanted: dict[int, tuple[asyncio.Future[bytes], str]] = {}
        self._ready = asyncio.Event()
        self._idle = asyncio.Event()
        self.open = False
        """True from the greeting to the end."""
        self._tasks = (
            self._loop.create_task(self._read(), name="link talk, answers"),
            self._loop.create_task(self._write(), name="link talk, messages"),
        )

    async def ask(self, module: str, message: bytes, seconds: float) -> bytes:
        """Return the answer; raises a `LinkError` otherwise. Only while it is open."""
        number = next(self._numbers)
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._wanted[number] = answer, module
        self._idle.clear()
        self._put((number, message))
        late = self._loop.call_later(seconds, self._late, number)
        try:
            return await answer
        except asyncio.CancelledError:
            self._forget(number)
            if answer.done() and not answer.cancelled():
                answer.exception()  # it came in the same moment, and is nobody's any more
            raise
        finally:
            late.cancel()

    async def close(self, grace_seconds: float | None = None) -> None:
        """End it; what is under way may be answered within `grace_seconds`."""
        self.open = False
        if self._wanted and grace_seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self._idle.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _put(self, one: Asked) -> None:
        self._queue.append(one)
        self._ready.set()

    def _forget(self, number: int) -> None:
        """Want the answer no more, and say so."""
        if self._take_off(number) is not None and number <= self._handed_over:
            self._put((number, None))

    def _is_wanted(self, number: int) -> bool:
        wanted = self._wanted.get(number)
        return wanted is not None and not wanted[0].done()

    def _take_off(self, number: int) -> tuple[asyncio.Future[bytes], str] | None:
        wanted = self._wanted.pop(number, None)
        if not self._wanted:
            self._idle.set()
        return wanted

    def _late(self, number: int) -> None:
        answer, module = self._wanted.get(number, (None, ""))
        if answer is not None and not answer.done():
            self._forget(number)
            answer.set_exception(LinkLate(f"no answer in time for '{module}'"))

    async def _write(self) -> None:
        try:
            while True:
                await self._ready.wait()
                self._ready.clear()
                while self._queue:
                    bundle, highest = asking(self._queue, self._is_wanted)
                    self._handed_over = max(self._handed_over, highest)
                    await self._call.write(bundle)
        except (aio.AioRpcError, aio.UsageError, asyncio.InvalidStateError):
            self.open = False  # it ended; how, the reader learns
        except Exception:
            self._call.cancel()  # a bug: nobody is to wait for what is not written
            raise

    async def _read(self) -> None:
        code = grpc.StatusCode.UNKNOWN
        try:
            while (bundle := await self._call.read()) is not aio.EOF:
                self.open = True
                for said in said_in(bundle):
                    self._heard(said)
            code = await self._call.code()
        except aio.AioRpcError as error:
            code = error.code()
        except (asyncio.CancelledError, aio.UsageError):  # we end it, or the channel was closed beneath us
            code = grpc.StatusCode.CANCELLED
        finally:
            self._end(code)

    def _heard(self, said: Said) -> None:
        number, kind, content = said
        wanted = self._take_off(number)
        if wanted is None or wanted[0].done():
            return
        answer, module = wanted
        if kind == ANSWER:
            answer.set_result(content)
        else:
            answer.set_exception(self._refusal(kind, f"'{module}': {content.decode()}", module))

    def _refusal(self, kind: int, text: str, module: str) -> LinkError:
        if kind == LEAVING:
            return Leaving(f"'{module}': process '{self._process}' is leaving")
        return LinkRefused(text) if kind == REFUSED else LinkLost(text)

    def _end(self, code: grpc.StatusCode) -> None:
        self.open = False
        self._tasks[1].cancel()
        self._call.cancel()
        self._idle.set()
        wanted, self._wanted = self._wanted, {}
        for number, (answer, module) in wanted.items():
            if not answer.done():
                answer.set_exception(self._loss(number, code, module))
        self._ended(code)

    def _loss(self, number: int, code: grpc.StatusCode, module: str) -> LinkError:
        if number > self._handed_over:
            return NotTaken(f"'{module}': the connection to process '{self._process}' was ending")
        if code is grpc.StatusCode.OK:
            return Leaving(f"'{module}': process '{self._process}' is leaving")
        if code is grpc.StatusCode.CANCELLED:
            return LinkLost(f"'{module}': the connection was closed while it was asked")
        return LinkLost(f"'{module}': the connection to process '{self._process}' ended: {code.name.lower()}")
