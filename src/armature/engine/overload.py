"""How many calls run at once, how many may wait, and who is sent away when there are more.

A server that accepts everything does not get slower evenly: past its capacity every answer comes after its caller has left,
and useful work falls to nothing while the processor is fully busy. So N calls run, M wait, and the rest is refused at once.

*Who waits, in which order?* First come, first served. Newest-first (adaptive LIFO) keeps the median low in an overload, but it
starves those who came first, whose deadlines then pass in the queue; and it answers retries before the calls they repeat. What
first-come costs is that every call may be handed its turn just too late to finish, and then all work is for nobody. That is
excluded by looking at the deadline twice, with the measured pace of the queue (Little's law):

- at the door: whoever would be through only after the deadline is refused now, when a retry elsewhere still helps;
- at the hand-over: whoever can no longer finish is refused, and the turn goes to the next.

The first in the queue is always let in and the last one left is always served, so a pace that was measured in a bad moment
corrects itself. `tests/engine/test_overload.py` shows the goodput at twice the capacity, with and without these two looks.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

__all__ = ["OverloadGuard", "Overloaded"]

# Weight of the newest hand-over in the moving pace: about the last thirty count.
_WEIGHT = 1 / 16


class Overloaded(Exception):
    """No turn: too many wait already, or the deadline leaves too little time. Nothing was begun."""

    def __init__(self, reason: Literal["full", "deadline"], retry_after: float) -> None:
        super().__init__(f"no turn ({reason}); try again in {retry_after:.1f} s")
        self.reason: Literal["full", "deadline"] = reason
        self.retry_after = retry_after


class _Ticket:
    """A place in the queue. The future turns True with the turn, False when the turn will never come."""

    __slots__ = ("deadline", "turn")

    def __init__(self, deadline: float, turn: asyncio.Future[bool]) -> None:
        self.deadline = deadline
        self.turn = turn


class OverloadGuard:
    """`if not guard.try_enter(): await guard.wait(deadline)`, then work, then `guard.leave()` whatever happened.

    `deadline` is in seconds of `clock`. One event loop; nothing here blocks or locks.
    """

    __slots__ = (
        "_clock",
        "_handed_at",
        "_pace",
        "_queue",
        "_retry_seconds",
        "_running_max",
        "_waiting_max",
        "refused",
        "running",
    )

    def __init__(
        self,
        *,
        running_max: int,
        waiting_max: int,
        retry_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._running_max = running_max
        self._waiting_max = waiting_max
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._queue: deque[_Ticket] = deque()
        self._pace = 0.0
        self._handed_at: float | None = None
        self.running = 0
        self.refused = 0

    @property
    def waiting(self) -> int:
        """How many stand in the queue."""
        return len(self._queue)

    def try_enter(self) -> bool:
        """Take a turn if one is free. While anybody waits none is: `leave` hands turns on without freeing them."""
        if self.running < self._running_max:
            self.running += 1
            return True
        return False

    async def wait(self, deadline: float) -> None:
        """Queue for a turn; raises `Overloaded` when there is no place, no point, or no turn before the deadline."""
        now = self._clock()
        if self.try_enter():
            return
        self._admit(deadline, now)
        ticket = _Ticket(deadline, asyncio.get_running_loop().create_future())
        self._queue.append(ticket)
        try:
            async with asyncio.timeout(None if deadline == math.inf else deadline - now):
                served = await ticket.turn
        except TimeoutError:
            self._step_out(ticket)
            raise self._refusal("deadline") from None
        except asyncio.CancelledError:
            self._step_out(ticket)
            raise
        if not served:
            raise self._refusal("deadline")

    def leave(self) -> None:
        """Give the turn back: to the first in the queue who can still finish, or to nobody."""
        if self._queue:
            self._hand_over()
            return
        if self.running <= 0:
            raise RuntimeError("a turn was given back twice; call leave() once for each turn taken")
        self._handed_at = None
        self.running -= 1

    def _admit(self, deadline: float, now: float) -> None:
        if len(self._queue) >= self._waiting_max:
            raise self._refusal("full")
        through_at = now + self._pace * (len(self._queue) + 1 + self._running_max)
        if deadline <= now or (self._queue and through_at > deadline):
            raise self._refusal("deadline")

    def _hand_over(self) -> None:
        now = self._clock()
        if self._handed_at is not None:
            # Between two hand-overs every turn was taken, so their distance is the service time over `running_max`.
            sample = now - self._handed_at
            self._pace += _WEIGHT * (sample - self._pace) if self._pace else sample
        self._handed_at = now
        finishing = now + self._pace * self._running_max
        while self._queue:
            ticket = self._queue.popleft()
            if ticket.turn.done():  # cancelled, and its task has not run since
                continue
            in_time = ticket.deadline > now and (ticket.deadline >= finishing or not self._queue)
            ticket.turn.set_result(in_time)
            if in_time:
                return
        self._handed_at = None
        self.running -= 1

    def _step_out(self, ticket: _Ticket) -> None:
        """Leave the queue; if the turn was handed over in the very moment of leaving, hand it on."""
        if ticket.turn.done() and not ticket.turn.cancelled():
            if ticket.turn.result():
                self.leave()
        elif ticket in self._queue:
            self._queue.remove(ticket)

    def _refusal(self, reason: Literal["full", "deadline"]) -> Overloaded:
        self.refused += 1
        return Overloaded(reason, max(self._retry_seconds, self._pace * len(self._queue)))
