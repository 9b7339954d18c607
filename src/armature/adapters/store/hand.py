"""What a guest has in hand at the owner: who waits for what, and what becomes of it when the connection is lost.

A unit that was not sent, or not heard, had no effect. Of one that was heard the owner knows what became of it, for as long as it
lives. When it died meanwhile, the file tells: the unit's event, or its key, is there or is not. Only a unit without either, and
one whose owner does not come back in time, ends with an unknown outcome.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from time import monotonic
from typing import Any

from armature.adapters.store import guest_says, owner_says
from armature.adapters.store.ends import raised, verdict_of
from armature.adapters.store.frames import encode
from armature.adapters.store.owner_says import End, Returned
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.ports.database import Committed, Decide, Expired, Owner, Unit, Verdict

__all__ = ["DOUBT_SECONDS", "Handed", "Hands", "Witness"]

DOUBT_SECONDS = 10.0
"""How long an owner that is away is waited for by those whose unit it had: a restart takes some seconds."""

_LOOK_SECONDS = 0.05
"""How often it is looked whether callers are still there, while there are any."""

_FRAME_BYTES = 4 * 1_048_576
"""A frame is closed when it has so much in it."""

Witness = Callable[[Unit, int], Awaitable[Verdict | None]]
"""Asks the file what became of a unit whose events are above an id. None: not committed; `UnknownOutcome`: nobody knows."""


class Handed:
    """One thing in hand: a unit, a turn (`decide`), or a question without either."""

    __slots__ = ("context", "decide", "done", "id", "left", "owner", "sent", "since", "task", "unit", "unsure")

    def __init__(self, id: int, owner: Owner | None, unit: Unit | None = None, decide: Decide | None = None) -> None:
        self.id = id
        self.owner = owner
        self.unit = unit
        self.decide = decide
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.sent = False
        self.left = False
        self.since = 0
        self.unsure = False
        """True for what may have happened when nobody tells; a unit is, and a script."""
        self.task: asyncio.Task[None] | None = None
        self.context: Context | None = copy_context() if decide is not None else None

    @property
    def ended(self) -> bool:
        """True when its caller was answered or has left."""
        return self.done.done()

    def raise_at(self, error: BaseException) -> None:
        """Answer its caller with an error."""
        if not self.done.done():
            self.done.set_exception(error)

    def answer(self, verdict: Any) -> None:
        """Answer its caller."""
        if not self.done.done():
            self.done.set_result(verdict)


class Hands:
    """Everything in hand. `say` sends encoded messages, `free` says whether they leave now; `witness` asks the file;
    what has none is unknown."""

    def __init__(self, say: Callable[[Sequence[bytes]], None], free: Callable[[], bool]) -> None:
        self.head = 0
        """The highest event id told so far: what is in doubt now is above it."""
        self.witness: Witness = _nobody_knows
        self._say = say
        self._free = free
        self._next = 0
        self._held: dict[int, Handed] = {}
        self._doubted: dict[int, tuple[Handed, float]] = {}
        self._out: list[tuple[Handed | None, Callable[[], bytes]]] = []
        self._flushing = False
        self._looking: asyncio.TimerHandle | None = None
        self._asking: set[asyncio.Task[None]] = set()

    # handing over

    def take(self, owner: Owner | None, unit: Unit | None = None, decide: Decide | None = None) -> Handed:
        """Return a place for something new."""
        self._next += 1
        handed = self._held[self._next] = Handed(self._next, owner, unit, decide)
        handed.done.add_done_callback(lambda done: self._answered(handed))
        self._look_later()
        return handed

    def send(self, handed: Handed | None, message: Callable[[], bytes]) -> None:
        """Send with everything else that is sent in this turn of the loop; `message` is made when it leaves."""
        self._out.append((handed, message))
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Send what waits, all in one frame."""
        self._flushing = False
        if not self._free():
            return
        out, self._out = self._out, []
        frame: list[bytes] = []
        size = 0
        for handed, message in out:
            if handed is not None and not self._leaves(handed):
                continue
            frame.append(message())
            size += len(frame[-1])
            if size > _FRAME_BYTES:
                self._say(frame)
                frame, size = [], 0
        if frame:
            self._say(frame)

    def _leaves(self, handed: Handed) -> bool:
        if handed.ended:
            return False
        owner = handed.owner
        if owner is not None and not handed.sent and (owner.gone or owner.deadline <= monotonic()):
            handed.answer(Expired())
            return False
        if not handed.sent:
            handed.sent, handed.since = True, self.head
            if owner is not None:
                owner.in_hand = True
        return True

    # what comes back

    def held(self, id: int) -> Handed | None:
        """Return what is in hand under a number."""
        return self._held.get(id)

    def told(self, told: owner_says.Told) -> None:
        """Answer the caller of what has ended."""
        handed = self._held.get(told.id)
        if told.end is End.COMMITTED and told.number is not None:
            self.head = max(self.head, told.number)
        if handed is None:
            return
        self._doubted.pop(told.id, None)
        try:
            if told.end is End.DONE:
                handed.answer(None)
            elif handed.unit is not None:
                handed.answer(verdict_of(told, handed.unit))
            elif told.end is End.EXPIRED:
                handed.answer(Expired())
            else:
                handed.raise_at(raised(told.end, told.text))
        except Exception as error:
            handed.raise_at(error)

    def returned(self, returned: Returned) -> None:
        """Answer who asked a port."""
        handed = self._held.get(returned.id)
        if handed is not None and returned.end is End.DONE:
            handed.answer(returned.value)
        elif handed is not None:
            handed.raise_at(raised(returned.end, returned.text))

    def _answered(self, handed: Handed) -> None:
        """Its caller has an answer, or has left."""
        self._held.pop(handed.id, None)
        self._doubted.pop(handed.id, None)
        if handed.task is not None and not handed.task.done():
            handed.task.cancel()
        if handed.done.cancelled():
            self._leave(handed)

    def _leave(self, handed: Handed) -> None:
        if handed.sent and not handed.left:
            handed.left = True
            self.send(None, lambda: encode(guest_says.Leave(handed.id)))

    # a connection that comes and goes

    def lost(self, reason: str) -> None:
        """The connection is lost: what was not sent had no effect, what was sent is in doubt."""
        self._out.clear()
        until = monotonic() + DOUBT_SECONDS
        for handed in list(self._held.values()):
            if handed.ended or handed.id in self._doubted:
                continue
            if handed.sent and handed.unit is not None:
                self._doubted[handed.id] = (handed, until)
            elif handed.sent and handed.unsure:
                handed.raise_at(UnknownOutcome())
            else:
                handed.raise_at(Unavailable(what=f"database: {reason}"))

    def unheard(self, reason: str) -> None:
        """The owner has ended in order, and has told all that it had heard."""
        self._out.clear()
        for handed in list(self._held.values()):
            handed.raise_at(Unavailable(what=f"database: {reason}"))

    def came_back(self, same: bool) -> None:
        """The owner is there again, the same or a new one: ask what became of what is in doubt."""
        doubted = [handed for handed, _ in self._doubted.values()]
        if not doubted:
            return
        if same:
            ids = [handed.id for handed in doubted]
            self.send(None, lambda: encode(guest_says.Became(ids)))
            return
        for handed in doubted:
            task = asyncio.create_task(self._ask_the_file(handed), name="armature-store-witness")
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def settled(self) -> None:
        """Return when nobody waits any more."""
        while waiting := [one.done for one in self._held.values()]:
            await asyncio.wait(waiting)

    def close(self, reason: str) -> None:
        """Answer everybody who still waits."""
        self.lost(reason)
        for handed, _ in list(self._doubted.values()):
            handed.raise_at(UnknownOutcome())
        for task in self._asking:
            task.cancel()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _ask_the_file(self, handed: Handed) -> None:
        assert handed.unit is not None
        try:
            verdict = await self.witness(handed.unit, handed.since)
        except UnknownOutcome as unknown:
            handed.raise_at(unknown)
        except Unavailable:
            handed.raise_at(UnknownOutcome())
        else:
            if isinstance(verdict, Committed) and verdict.last_id is not None:
                self.head = max(self.head, verdict.last_id)
            if verdict is None:
                handed.raise_at(Unavailable(what="database: the store ended before it had committed this"))
            else:
                handed.answer(verdict)

    # callers who leave without a word

    def _look_later(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._looking = None
        now = monotonic()
        for handed, until in list(self._doubted.values()):
            if until <= now:
                handed.raise_at(UnknownOutcome())
        for handed in list(self._held.values()):
            owner = handed.owner
            if owner is None or handed.ended:
                continue
            if handed.task is None and handed.sent and owner.gone:
                self._leave(handed)
            if owner.deadline + DOUBT_SECONDS <= now:
                # The owner has it and says nothing: it stands still. It may go on some day, with what it has.
                self._leave(handed)
                handed.raise_at(UnknownOutcome() if handed.sent and handed.unit else Unavailable(what=_STILL))
        if self._held:
            self._look_later()


async def _nobody_knows(unit: Unit, since: int) -> Verdict | None:
    raise UnknownOutcome


_STILL = "database: the store does not answer"
