"""A world of processes, a network and clocks in one thread and no time: each seed is one schedule, and the same one every time.

It is an asyncio loop, so what runs in it is the real code of the engine. Time jumps to the next timer; of what could run next one
is drawn by lot; what goes over the network takes a while, arrives though its sender is dead, and may be lost on either way.
A process may be killed (nothing of it ever runs again, not even a `finally`) or paused, as SIGKILL and SIGSTOP do.
The method is FoundationDB's and TigerBeetle's; a failing seed is a complete report of a bug.

No schedule goes on for ever: its steps are counted, those at one moment apart, and a step that never returns is cut off.
"""

import asyncio
import heapq
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar
from random import Random
from typing import Any, TypeVar

from armature.kernel.refusals import Unavailable, UnknownOutcome

__all__ = ["ONE_SEED", "Endless", "Process", "Simulation", "simulate"]

T = TypeVar("T")

ONE_SEED = "SIMULATION_SEED"
"""The variable that makes `simulate` run this one seed and no other."""

# The longest schedule of the models takes about 1 500 steps, and 20 ms.
_STEPS_MAX = 50_000
_STEPS_AT_ONCE_MAX = 5_000
_PROCESSOR_SECONDS_MAX = 20.0


class Endless(Exception):
    """A schedule that does not come to its end."""


class _CutOff(SystemExit):
    """Leaves a step that never returns, past all that it catches."""


class Process:
    """Somebody who can be killed and paused. `clock` is monotonic, and runs a little faster or slower than others'."""

    def __init__(self, world: "Simulation", name: str) -> None:
        self.name = name
        self.dead = False
        self.paused = False
        self._world = world
        self._speed = world.random.uniform(0.97, 1.03)
        self._waiting: list[Any] = []
        self._context = Context()
        self._context.run(_PROCESS.set, self)

    def clock(self) -> float:
        """Return seconds of this process's own clock."""
        return self._world.time() * self._speed

    def run(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Begin something in this process."""
        return self._world.create_task(work, context=self._context)

    def kill(self) -> None:
        """End it here and now. What it has sent already still arrives."""
        self.dead = True

    def pause(self) -> None:
        """Stop it where it is."""
        self.paused = True

    def resume(self) -> None:
        """Let it go on; it does not notice."""
        self.paused = False
        self._world.again(self._waiting)
        self._waiting = []

    def holds_back(self, handle: Any) -> bool:
        """Keep what this process may not run now; False when it may."""
        if self.dead or self.paused:
            self._waiting.append(handle)
            return True
        return False


_PROCESS: ContextVar[Process | None] = ContextVar("simulated_process", default=None)


class Simulation(asyncio.BaseEventLoop):
    """One schedule. `random` is the only source of chance."""

    _ready: Any
    _scheduled: Any

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = Random(seed)
        self.lost_requests = self.lost_answers = 0.0
        """How likely a message is lost, each way."""
        self._now = 0.0
        self._steps = self._steps_at_once = 0
        self._outside = Context()
        # Killed processes leave unfinished tasks behind: that is the point of killing them.
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        """Return seconds since the schedule began."""
        return self._now

    def again(self, handles: list[Any]) -> None:
        """Let what was held back run."""
        self._ready.extend(handles)

    async def reach(self, work: Callable[[], T], *, writes: bool = False) -> T:
        """Let `work` happen elsewhere, somewhat later, and return what it gave; a message may be lost on the way."""
        answer: asyncio.Future[T] = self.create_future()
        chance = self.random.random()

        def back(take: Callable[[Any], None], value: Any) -> None:
            if not answer.done():
                take(value)

        def arrive() -> None:
            try:
                value = work()
            except Exception as error:
                self._later(back, answer.set_exception, error)
            else:
                if chance < 1 - self.lost_answers:
                    self._later(back, answer.set_result, value)
                else:
                    failure = UnknownOutcome() if writes else Unavailable(what="the answer was lost")
                    self._later(back, answer.set_exception, failure)

        if chance < self.lost_requests:
            self._later(back, answer.set_exception, Unavailable(what="the request was lost"))
        else:
            self._later(arrive)
        return await answer

    def _later(self, work: Callable[..., None], *values: Any) -> None:
        draw = self.random.random()
        self.call_later(0.3 if draw > 0.98 else draw * 0.01, work, *values, context=self._outside)

    def _run_once(self) -> None:
        """Run one thing that could run now; where there is none, go to the next timer."""
        ready, scheduled = self._ready, self._scheduled
        if not ready and scheduled and scheduled[0]._when > self._now:
            self._now, self._steps_at_once = scheduled[0]._when, 0
        while scheduled and scheduled[0]._when <= self._now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        if not ready:
            raise Endless("nothing can ever happen any more")
        self._steps += 1
        self._steps_at_once += 1
        if self._steps_at_once > _STEPS_AT_ONCE_MAX:
            raise Endless(f"time stands still at {self._now:.3f} s: {_STEPS_AT_ONCE_MAX} steps at one moment")
        if self._steps > _STEPS_MAX:
            raise Endless(f"no end after {_STEPS_MAX} steps")
        at = int(self.random.random() * len(ready))
        handle = ready[at]
        del ready[at]
        if handle._cancelled:
            return
        process = handle._context.get(_PROCESS)
        if process is None or not process.holds_back(handle):
            handle._run()


def simulate(schedule: Callable[[Simulation], Awaitable[None]], seeds: Iterable[int]) -> None:
    """Run one schedule for each seed; an AssertionError, or any other, names the seed that shows it and how to run it alone."""
    only = os.environ.get(ONE_SEED)
    for seed in seeds if only is None else [int(only)]:
        world = Simulation(seed)
        try:
            with _cut_off(_PROCESSOR_SECONDS_MAX):
                world.run_until_complete(schedule(world))
        except BaseException as error:
            error.add_note(_again(seed))
            raise
        finally:
            _forget(world)


def _again(seed: int) -> str:
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" ")[0]
    return f"seed {seed}; again: {ONE_SEED}={seed} python -m pytest {test}; add it to the model's REGRESSIONS"


@contextmanager
def _cut_off(seconds: float) -> Iterator[None]:
    """Leave the block when it has used so much of the processor; only the main thread can do that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def cut(number: int, frame: Any) -> None:
        raise _CutOff

    before = signal.signal(signal.SIGVTALRM, cut)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    except _CutOff as cut_off:
        raise Endless(f"a step took {seconds:g} s of the processor") from cut_off
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
        signal.signal(signal.SIGVTALRM, before)


def _forget(world: Simulation) -> None:
    """End what killed processes left unfinished; the schedule has been judged, so nothing it does counts."""
    for task in asyncio.all_tasks(world):
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        with suppress(Exception):
            task.get_coro().close()
    world._ready.clear()
    world._scheduled.clear()
    world.close()
