"""Taking the events of some types from the broker, each with its effect exactly once, each stream in its order.

The effect and the note that it happened are one unit; the broker hears `ack` only after the commit. What was published before
this consumer's group was made, or lost by a broker that kept nothing, is read from the log when the consumer opens. An event that
cannot be taken is tried again with growing pauses, then its stream is parked in the database and the others go on.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from msgspec import Struct

from armature.engine.checkpoints import foreign
from armature.engine.consumed import (
    CONSUMED_STATEMENTS,
    DEAD,
    ConsumerRow,
    DeadLetter,
    moved,
    parked,
    register,
    registered,
    released,
    standing,
    taken,
    waits,
)
from armature.engine.consumer_core import Judgement, Standing, judge, pause_seconds
from armature.engine.crash import crashpoint
from armature.engine.delivery_log import DeliveryParts
from armature.engine.generations import unit
from armature.engine.requests import Request
from armature.kernel.failure import Failure
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.ports.bus import Delivery, Message, Subscription
from armature.ports.database import Bound, Committed

__all__ = ["Consumer", "Take", "Wanted"]

log = logging.getLogger("armature.consumer")

Take = Callable[[Message, Sequence[Bound]], Awaitable[bool]]
"""Commits an event's effect together with the given writes. True: it is there. False: those writes lost, look again."""

_BATCH_EVENTS = 500
_FETCH_SECONDS = 1.0
_LOOKS_MAX = 100


class Wanted(Struct, frozen=True):
    """What a consumer takes: events of these types, from the beginning of the log or from its own."""

    name: str
    types: frozenset[str]
    from_beginning: bool


class _Refused(Exception):
    """An event was not taken. `message` need not be the delivered one: it may have been missing before it."""

    def __init__(self, message: Message, reason: str) -> None:
        super().__init__(reason)
        self.message = message
        self.reason = reason


class Consumer:
    """One member of a consumer's group. Only its role calls `step`, and never twice at once.

    `wait_seconds` is how long a step waits for an event, and so how long whoever stops the role may have to wait: short where
    asking again costs nothing.
    """

    def __init__(self, wanted: Wanted, parts: DeliveryParts, take: Take, *, wait_seconds: float = _FETCH_SECONDS) -> None:
        parts.database.bind(CONSUMED_STATEMENTS)
        self.name = wanted.name
        self.halted = ""
        """Why nothing is taken any more, and what helps; empty while it is."""
        self.taken = 0
        """Events whose effect this member committed."""
        self.parked = 0
        """Streams this member parked."""
        self._wanted = wanted
        self._parts = parts
        self._take = take
        self._wait_seconds = wait_seconds
        self._subscription: Subscription | None = None
        self._row = ConsumerRow("", 0, 0, 0)
        self._at = self._upto = 0
        self._done = self._kept = 0
        self._failed: dict[UUID, int] = {}
        self._not_before = self._look_at = 0.0

    @property
    def position(self) -> int:
        """Everything up to here needs this consumer no more."""
        return self._done

    async def step(self) -> bool:
        """Take what comes next; waits a second for it. False when there is reason to pause."""
        if self.halted:
            return False
        subscription = self._subscription or await self._open()
        if subscription is None:
            return False
        clock = self._parts.clock
        if clock() >= self._look_at:
            await self._look()
            self._look_at = clock() + _FETCH_SECONDS
            if self.halted:
                return False
        if self._at < self._upto:
            return clock() >= self._not_before and await self._catch_up()
        for delivery in await subscription.fetch(1, self._wait_seconds):
            await self._deliver(subscription, delivery)
        return True

    async def close(self) -> None:
        """Leave the group; another member goes on."""
        if self._subscription is not None:
            await self._keep()
            await self._subscription.close()
            self._subscription = None

    async def _open(self) -> Subscription | None:
        """Register, join the group, and find out what of the log may not come through it."""
        database, events = self._parts.database, self._parts.events
        head = await events.look()
        row = await registered(database, self.name)
        if row is None:
            started = 0 if self._wanted.from_beginning else head
            await database.commit(unit([register(self.name, events.identity, started)]))
            return None
        if await self._is_foreign(row, row.position):
            return None
        policy = self._parts.policy
        types = sorted(self._wanted.types)
        subscription = await self._parts.bus.subscribe(self.name, types, in_order=True, ack_seconds=policy.ack_seconds)
        try:
            # After the group was made: what comes later comes through it.
            upto = await events.look()
        except BaseException:
            await subscription.close()
            raise
        self._row, self._at, self._upto = row, row.position, upto
        self._done = self._kept = row.position
        self._subscription = subscription
        return self._subscription

    async def _is_foreign(self, row: ConsumerRow, position: int) -> bool:
        """Halt when the log is not the one that `row` speaks of, or ends before `position`."""
        events = self._parts.events
        head = await events.look()
        self.halted = foreign(f"consumer {self.name}", row.identity, position, events.identity, head)
        return bool(self.halted)

    async def _catch_up(self) -> bool:
        events = await self._parts.events.after(self._at, min(_BATCH_EVENTS, self._upto - self._at))
        for message in events:
            if message.type in self._wanted.types:
                try:
                    await self._handle(message)
                except _Refused as refused:
                    pause = await self._judge(refused)
                    self._not_before = self._parts.clock() + pause
                    return not pause
            self._at = self._done = message.position
        await self._keep()
        return True

    async def _deliver(self, subscription: Subscription, delivery: Delivery) -> None:
        message = delivery.message
        if message.log != self._row.log:
            self.halted = f"consumer {self.name}: the broker carries events of the log {message.log}, not of {self._row.log}"
            await subscription.retry(delivery, self._parts.policy.ack_seconds)
            return
        try:
            if message.epoch != self._row.epoch and not await self._is_in_log(message):
                log.warning("%s: event %s of epoch %d is not in the log any more", self.name, message.event_id, message.epoch)
                await subscription.ack([delivery])
                return
            async with self._held(subscription, delivery):
                await self._handle(message)
        except (Unavailable, UnknownOutcome):
            # Says nothing about the event; it comes again when what is away is back.
            await subscription.retry(delivery, pause_seconds(min(delivery.attempt, 10), self._parts.policy.retry_seconds))
            raise
        except _Refused as refused:
            pause = await self._judge(refused)
            await subscription.retry(delivery, pause)
            return
        crashpoint("consumer.committed")
        await subscription.ack([delivery])
        self._done = max(self._done, message.position)

    async def _is_in_log(self, message: Message) -> bool:
        """Say whether the log still has what a broker carries from before a restore."""
        found = await self._parts.events.after(message.position - 1, 1)
        return [one.event_id for one in found] == [message.event_id]

    async def _handle(self, message: Message) -> None:
        """Come to an end with an event: applied, passed over, or known to wait. Raises `_Refused` when it was not taken."""
        parts = self._parts
        for _ in range(_LOOKS_MAX):
            known = await standing(parts.database, self.name, self._row, message)
            match judge(message, known):
                case Judgement.SKIP:
                    return
                case Judgement.HELD:
                    if isinstance(await parts.database.commit(unit([waits(self.name, message)])), Committed):
                        return
                case Judgement.GAP:
                    if await self._apply(await self._missing(message, known) or message, known) is message:
                        return
                case Judgement.APPLY:
                    if await self._apply(message, known) is message:
                        return
        raise _Refused(message, "other members of the group were always faster")

    async def _apply(self, message: Message, known: Standing) -> Message | None:
        """Let an event take effect; return it, or None when another member was faster."""
        try:
            there = await self._take(message, taken(self.name, message, known, self._parts.now()))
        except (Unavailable, UnknownOutcome):
            raise
        except Exception as error:
            expected = isinstance(error, Failure)
            if not expected:
                log.warning("%s failed on event %d (%s)", self.name, message.position, message.type, exc_info=error)
            raise _Refused(message, f"{getattr(error, 'code', '') or type(error).__name__}: {error}") from error
        self._failed.pop(message.event_id, None)
        self.taken += there
        return message if there else None

    async def _missing(self, message: Message, known: Standing) -> Message | None:
        """Return the first event of the stream that should have come before this one; None when no type of it is taken."""
        after, stream = max(known.position, known.started), (message.tenant_id, message.stream)
        while events := await self._parts.events.of_stream(stream, after, message.position - 1, _BATCH_EVENTS):
            for event in events:
                if event.type in self._wanted.types:
                    return event
            after = events[-1].position
        return None

    async def _judge(self, refused: _Refused) -> float:
        """Count a failure; return how long to wait before the next try, 0 when the stream was parked instead."""
        parts, message = self._parts, refused.message
        attempts = self._failed[message.event_id] = self._failed.get(message.event_id, 0) + 1
        if attempts < parts.policy.attempts_max:
            return pause_seconds(attempts, parts.policy.retry_seconds)
        await parts.database.commit(unit([parked(self.name, message, attempts, refused.reason, parts.now())]))
        del self._failed[message.event_id]
        self.parked += 1
        log.error("%s: stream %s is parked at event %d: %s", self.name, message.stream, message.position, refused.reason)
        return 0.0

    async def _look(self) -> None:
        """Take wishes, and write down how far this consumer is, if the log is still the one it is in."""
        if await self._is_foreign(self._row, self._done):
            return
        await self._keep()
        for wish in await self._parts.requests.open(self.name):
            await self._retry(wish)

    async def _keep(self) -> None:
        if self._done > self._kept:
            await self._parts.database.commit(unit([moved(self.name, self._done)]))
            self._kept = self._done

    async def _retry(self, wish: Request) -> None:
        (letters,) = await self._parts.database.read(((DEAD, (self.name,)),))
        wanted = [letter for letter in letters if wish.stream in ("", letter.stream)]
        failed = []
        for letter in wanted:
            try:
                await self._unpark(letter)
            except _Refused as refused:
                message = refused.message
                again = parked(self.name, message, letter.attempts + 1, refused.reason, self._parts.now())
                await self._parts.database.commit(unit([again]))
                failed.append(f"{letter.tenant_id} {letter.stream} at position {message.position}: {refused.reason}")
        detail = "\n".join([f"{len(wanted)} tried, {len(failed)} still parked", *failed[:20]])
        await self._parts.requests.end(wish.id, "refused" if failed else "done", detail)

    async def _unpark(self, letter: DeadLetter) -> None:
        """Apply a parked stream's events in order, then let go of it, unless more has come to wait meanwhile."""
        while True:
            at = letter.position - 1
            while messages := await self._parts.events.of_stream(letter.key, at, letter.waiting, _BATCH_EVENTS):
                for message in messages:
                    if message.type in self._wanted.types:
                        await self._unpark_one(message)
                at = messages[-1].position
            if isinstance(await self._parts.database.commit(unit([released(letter)])), Committed):
                return
            (letters,) = await self._parts.database.read(((DEAD, (self.name,)),))
            again = [one for one in letters if one.key == letter.key]
            if not again:
                return
            letter = again[0]

    async def _unpark_one(self, message: Message) -> None:
        while True:
            known = await standing(self._parts.database, self.name, self._row, message)
            passed = known.version is not None and message.stream_version is not None and message.stream_version <= known.version
            if known.seen or passed or await self._apply(message, known) is not None:
                return

    @asynccontextmanager
    async def _held(self, subscription: Subscription, delivery: Delivery) -> AsyncIterator[None]:
        """Tell the broker, for as long as the block runs, that the event is being worked on."""

        async def hold() -> None:
            while True:
                await asyncio.sleep(self._parts.policy.ack_seconds / 3)
                with suppress(Unavailable):
                    await subscription.hold(delivery)

        holding = asyncio.create_task(hold())
        try:
            yield
        finally:
            holding.cancel()
