"""Units wait in a queue for each module's lane, and go out as batches: what arrived while the last ones were away.

No timers. A flight takes a connection, then what waits, and looks at its queue again after it gave the connection back. Units
that cannot be merged, and those whose statements were slow lately, have queues of their own and a transaction each, so
that nobody else's rows wait for them. What happens inside a transaction is in `batch`, turns are in `turn`.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Hashable, Sequence
from time import monotonic

from msgspec import Struct, field

from armature.adapters.postgres.carrier import Carrier, judged
from armature.adapters.postgres.entry import Answered, Claim, Entry, Shapes
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.opening import Opening
from armature.adapters.postgres.plan import Plans
from armature.adapters.postgres.turn import Tools, Turns
from armature.adapters.postgres.uncertain import Committer
from armature.adapters.postgres.write_plan import WritePlans
from armature.engine.crash import crashpoint
from armature.engine.policies import DatabasePolicy
from armature.kernel.refusals import Unavailable
from armature.ports.database import Committed, Conflict, Decide, Expired, Owner, Row, Twin, Unit, Verdict

__all__ = ["Writer"]

_WAITING_MAX = 10_000
"""Units that may wait; more would only wait for their deadline."""

_CLAIMS_MAX = 10_000

_TOGETHER_FLIGHTS = 2
_ALONE_FLIGHTS = 4


class Queue(Struct, eq=False):
    """What waits for one lane, and how it is carried."""

    lane: str
    together: bool
    waiting: deque[Entry] = field(default_factory=deque)
    flights: int = 0


class Writer:
    """Owns the pool of writing connections. All its methods are called on one event loop."""

    def __init__(
        self, lanes: Lanes, plans: Plans, writes: WritePlans, *, opening: Opening, policy: DatabasePolicy, turn_seconds: float
    ) -> None:
        self._lanes = lanes
        self._opening = opening
        self._units_max = policy.batch_units_max
        self._shapes = Shapes(writes)
        seconds_max = lanes.settings.silence_seconds
        committer = Committer(lanes, opening, seconds_max)
        self._carrier = Carrier(lanes, opening, committer, seconds_max, self._count)
        self._turns = Turns(Tools(lanes, plans, writes, self._shapes, committer, opening), turn_seconds, self._count)
        self._loop = asyncio.get_running_loop()
        self._queues: dict[tuple[str, bool], Queue] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0
        # By row: the version that the last unit sent for it expects.
        self._claims: dict[Hashable, Claim] = {}
        self._closing = False
        self.commits = 0
        self.batches = 0
        self.batch_sizes: Counter[int] = Counter()
        """Batches by the number of units in them, rounded up to a power of two."""

    def commit(self, unit: Unit) -> "asyncio.Future[Verdict]":
        """Queue a unit; the future tells its verdict."""
        if self._closing:
            raise Unavailable(what="database: closed")
        if self._waiting >= _WAITING_MAX:
            raise Unavailable(what=f"database: {_WAITING_MAX} units wait already")
        done: asyncio.Future[Verdict] = self._loop.create_future()
        entry = Entry(done, unit.owner, unit, self._shapes.of(unit))
        queue = self._queue(unit.lane, together=entry.shape.merged and not entry.shape.slow)
        queue.waiting.append(entry)
        self._waiting += 1
        self._fly(queue)
        return done

    def turn(self, rows: Sequence[Row], decide: Decide, owner: Owner) -> "asyncio.Future[Verdict]":
        """Queue a turn; the future tells its unit's verdict, or raises what `decide` raised."""
        if self._closing:
            raise Unavailable(what="database: closed")
        return self._turns.queue(rows, decide, owner)

    async def close(self) -> None:
        """Serve what is in hand. A second close does nothing."""
        self._closing = True
        await self._turns.close()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _fly(self, queue: Queue) -> None:
        most = _TOGETHER_FLIGHTS if queue.together else _ALONE_FLIGHTS
        # A further flight only for more than one batch: splitting a batch costs more than it brings.
        if queue.flights < most and (queue.flights == 0 or not queue.together or len(queue.waiting) >= self._units_max):
            queue.flights += 1
            task = self._loop.create_task(self._flight(queue), name=f"armature-commit-{queue.lane}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _flight(self, queue: Queue) -> None:
        try:
            while queue.waiting:
                await self._carry(queue)
        finally:
            # Between the last look at the queue and this line nothing is awaited, so nobody is left behind.
            queue.flights -= 1

    async def _carry(self, queue: Queue) -> None:
        seconds = self._lanes.settings.shared_seconds if queue.together else None
        batch: list[Entry] = []
        trouble: Exception | None = None
        try:
            async with self._lanes.taken(None, self._opening.role(queue.lane), seconds) as connection:
                batch = self._form(queue)
                crashpoint("commit.formed")
                if batch:
                    await self._carrier.carry(connection, queue.lane, batch)
        except Exception as error:
            trouble = error
        if trouble is not None and batch:
            await self._carrier.recover(queue.lane, batch, trouble)
        elif trouble is not None:
            # No connection was to be had: whoever waits now would only wait again.
            batch = self._form(queue)
            for entry in batch:
                entry.outcome = judged(entry, trouble)
        for entry in batch:
            if entry.outcome is None and not (queue.together and entry.apart):
                await self._carrier.run(queue.lane, [entry])
            if entry.outcome is None:
                self._set_apart(entry)
            entry.settle()
        # In reverse, so that who goes back stands as before.
        for entry in reversed(batch):
            if entry.outcome is not None:
                self._answer_behind(queue, entry)
        crashpoint("commit.answered")

    def _set_apart(self, entry: Entry) -> None:
        """Let a unit go out alone that was in a batch which took too long; those beside it go out at the same time."""
        queue = self._queue(entry.unit.lane, together=False)
        queue.waiting.append(entry)
        self._waiting += 1
        self._fly(queue)

    def _queue(self, lane: str, *, together: bool) -> Queue:
        key = (lane, together)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = Queue(*key)
        return queue

    def _form(self, queue: Queue) -> list[Entry]:
        """Take what waits. Who left or came too late is looked at here, for the last time."""
        now = monotonic()
        batch: list[Entry] = []
        keys: dict[tuple[str, bytes] | None, Entry] = {}
        most = self._units_max if queue.together else 1
        while queue.waiting and len(batch) < most:
            entry = queue.waiting.popleft()
            self._waiting -= 1
            if entry.done.done() or entry.owner.gone or entry.owner.deadline <= now:
                entry.outcome = Expired()
                entry.settle()
                self._answer_behind(queue, entry)
                continue
            entry.apart = not queue.together
            key = entry.unit.key
            name = (key.tenant_id, key.scope) if key is not None else None
            if name in keys:
                keys[name].behind.append(entry)
            elif not queue.together or self._claims_all(entry):
                if name is not None:
                    keys[name] = entry
                entry.owner.in_hand = True
                batch.append(entry)
        return batch

    def _claims_all(self, entry: Entry) -> bool:
        """Claim the versions that a unit decided on. One whose version was sent by another before would only harm its neighbours
        in a batch: it has lost, or waits behind that other one to learn it."""
        claims = self._claims
        made = []
        for plan, values, (_, given) in zip(entry.shape.changes, entry.writes, entry.unit.writes, strict=True):
            if plan.cas_at < 0:
                continue
            name, expected = plan.name(values), values[plan.cas_at]
            claim = claims.get(name)
            if claim is not None and claim.expected == expected:
                entry.outcome = Twin() if _is_twin(entry, claim.key) else Conflict(plan.statement, plan.row(given))
                if claim.by is None:
                    entry.settle()
                else:
                    claim.by.behind.append(entry)
                return False
            made.append(Claim(name, expected, entry))
        if len(claims) > _CLAIMS_MAX:
            claims.clear()
        for one in made:
            claims[one.name] = one
        entry.claims = made
        return True

    def _answer_behind(self, queue: Queue, entry: Entry) -> None:
        """Tell who waited behind a unit that it was in vain; where the unit failed, they go out themselves."""
        committed = isinstance(entry.outcome, Committed)
        lives = entry.unit.key
        key = (lives.tenant_id, lives.scope, lives.expires_at) if committed and lives is not None else None
        for claim in entry.claims:
            claim.by, claim.key = None, key
            if not committed and self._claims.get(claim.name) is claim:
                del self._claims[claim.name]
        for other in reversed(entry.behind):
            if not committed:
                other.outcome = None
            elif _is_twin(other, key):
                other.outcome = Twin()
            if other.outcome is not None:
                other.settle()
            else:
                queue.waiting.appendleft(other)
                self._waiting += 1

    def _count(self, entries: Sequence[Entry]) -> None:
        self.batches += 1
        self.commits += sum(isinstance(entry.outcome, Committed) for entry in entries)
        self.batch_sizes[1 << (len(entries) - 1).bit_length()] += 1


def _is_twin(entry: Entry, key: Answered | None) -> bool:
    asked = entry.unit.key
    return key is not None and asked is not None and (asked.tenant_id, asked.scope) == key[:2] and key[2] > asked.asked_at
