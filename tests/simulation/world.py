"""What simulated processes reach over the network: a real SQLite database with a virtual clock, and a broker with bad habits."""

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import apsw

import armature.engine
from armature.adapters.sqlite.apply import Applier, Plans
from armature.adapters.sqlite.ddl import SqliteDdl
from armature.adapters.sqlite.plan import compile_plan
from armature.engine.envelope import key
from armature.engine.generations import unit
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import Statement
from armature.ports.bus import Delivery, Message, Tail, Unpublishable
from armature.ports.database import Bound, Committed, EventRow, Unit, Verdict
from armature.testing.simulation import Process, Simulation

_FIRST = int(os.environ.get("SOAK_FIRST", "0"))
SEEDS = range(_FIRST, _FIRST + int(os.environ.get("SOAK_SEEDS", "2000")))
"""Which schedules each model runs."""

SCHEMA = Path(armature.engine.__file__).parent / "schema"
START = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = "acme"
POISON = b"666"


class Store:
    """The database's disk and engine. One for all schedules: each begins a transaction and takes it back at its end."""

    def __init__(self, more: str = "") -> None:
        self.db = apsw.Connection(":memory:")
        self.db.create_scalar_function("unixepoch", lambda *_: self.clock(), -1)
        self.db.execute((SCHEMA / "0001_foundation.sqlite.sql").read_text())
        self.db.execute(SqliteDdl()((SCHEMA / "0002_delivery.sql").read_text(), file="0002_delivery.sql") + more)
        self.plans = Plans()
        self.applier = Applier(self.db, self.plans)
        self.clock: Callable[[], float] = lambda: 0.0

    def bind(self, statements: Iterable[Statement]) -> None:
        for statement in statements:
            if statement not in self.plans:
                self.plans[statement] = compile_plan(self.db, statement)

    def begin(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        if self.db.in_transaction:
            self.db.execute("rollback")
        self.db.execute("begin")

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """Look at the disk, past all processes."""
        return self.db.execute(sql, values).fetchall()

    def apply(self, unit: Unit) -> Verdict:
        return self.applier.alone(unit)

    def record(self, number: int, stream: str, version: int | None, kind: str = "sim.stepped", payload: bytes = b"1") -> None:
        """Commit an event as a command does."""
        row = EventRow(UUID(int=number), kind, 1, TENANT, stream, version, payload, "c", "c", None, "ann", 0, START)
        one = unit([])
        one.events = (row,)
        assert isinstance(self.apply(one), Committed)


class Remote:
    """The database port as a process has it: the store at the other end of a network."""

    takes_kept = True

    def __init__(self, world: Simulation, store: Store) -> None:
        self._world = world
        self._store = store

    def bind(self, statements: Iterable[Statement]) -> None:
        self._store.bind(statements)

    async def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        return await self._world.reach(lambda: self._store.applier.read(asks))

    async def commit(self, unit: Unit) -> Verdict:
        return await self._world.reach(lambda: self._store.apply(unit), writes=True)

    async def script(self, text: str) -> None:
        await self._world.reach(lambda: self._store.db.execute(text).fetchall())


class Broker:
    """A stream of messages and groups on it. Loses its store, or goes back to an older one, when told to."""

    window = 40
    """Ids it remembers for the dedupe."""

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.identity = "broker-1"
        self.stored: list[Message] = []
        self.last = 0
        self.acked: dict[str, set[int]] = {}
        self.hands: dict[str, dict[int, tuple[float, int]]] = {}
        self.refuses: Callable[[Message], str] = lambda message: ""
        self.order = True
        self.again = 0.03
        """How likely it delivers once more what was acknowledged."""
        self.ack_seconds = 1.0

    def publish(self, messages: Sequence[Message]) -> int:
        known = {key(message) for message in self.stored[-self.window :]}
        # Trouble in the middle of a window: the rest is not taken, or is taken without an acknowledgement.
        draw = self.world.random.random()
        fine = len(messages) if draw > 0.15 else self.world.random.randrange(len(messages) + 1)
        for at, message in enumerate(messages):
            if why := self.refuses(message):
                raise Unpublishable(at, why)
            if at >= fine and draw < 0.08:
                return fine
            if key(message) not in known:
                known.add(key(message))
                self.stored.append(message)
                self.last += 1
        return fine

    def tail(self) -> Tail:
        newest = self.stored[-1] if self.stored else None
        return Tail(self.identity, self.last, newest.epoch if newest else 0, newest.position if newest else 0)

    def go_back(self, to: int) -> None:
        """Come back as a copy of the disk was that held `to` messages."""
        self.last -= max(0, len(self.stored) - to)
        del self.stored[to:]
        for group in self.acked.values():
            group -= {at for at in group if at >= to}

    def lose_all(self) -> None:
        """Come back as another broker with nothing."""
        self.identity = f"broker-{self.world.random.random()}"
        self.stored, self.last = [], 0
        self.acked = {group: set() for group in self.acked}
        self.hands = {group: {} for group in self.hands}

    def give(self, group: str, types: Sequence[str], limit: int) -> list[Delivery]:
        hands, acked, now = self.hands[group], self.acked[group], self.world.time()
        given = []
        for at, message in enumerate(self.stored):
            if message.type not in types or (at in acked and self.world.random.random() >= self.again):
                continue
            until, attempt = hands.get(at, (0.0, 0))
            if until > now:
                if self.order and self.world.random.random() > 0.1:
                    break
                continue
            if self.world.random.random() < (0.02 if self.order else 0.3):
                continue  # passed over: what a broker does to the order when it delivers again
            hands[at] = now + self.ack_seconds, attempt + 1
            given.append(Delivery(message, attempt + 1, at))
            if len(given) == limit:
                break
        return given


class RemoteBus:
    """The bus port as a process has it."""

    def __init__(self, world: Simulation, broker: Broker) -> None:
        self._world = world
        self._broker = broker

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def publish(self, messages: Sequence[Message]) -> int:
        return await self._world.reach(lambda: self._broker.publish(messages))

    async def tail(self) -> Tail:
        return await self._world.reach(self._broker.tail)

    async def subscribe(self, group: str, types: Sequence[str], *, in_order: bool = True, ack_seconds: float = 30.0) -> Any:
        def join() -> None:
            self._broker.acked.setdefault(group, set())
            self._broker.hands.setdefault(group, {})

        await self._world.reach(join)
        return RemoteSubscription(self._world, self._broker, group, types)

    async def forget(self, group: str) -> None:
        pass


class RemoteSubscription:
    """A member of a group."""

    def __init__(self, world: Simulation, broker: Broker, group: str, types: Sequence[str]) -> None:
        self._world = world
        self._broker = broker
        self._group = group
        self._types = types

    async def fetch(self, limit: int, wait_seconds: float) -> list[Delivery]:
        given = await self._world.reach(lambda: self._broker.give(self._group, self._types, limit))
        if not given:
            await pause(self._world, min(wait_seconds, 0.2))
        return given

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        def done() -> None:
            self._broker.acked[self._group].update(one.ticket for one in deliveries)

        if self._world.random.random() > 0.1:
            await self._world.reach(done)

    async def retry(self, delivery: Delivery, delay_seconds: float) -> None:
        def back() -> None:
            self._broker.hands[self._group][delivery.ticket] = (self._world.time() + delay_seconds, delivery.attempt)

        await self._world.reach(back)

    async def hold(self, delivery: Delivery) -> None:
        def longer() -> None:
            until = self._world.time() + self._broker.ack_seconds
            self._broker.hands[self._group][delivery.ticket] = (until, delivery.attempt)

        await self._world.reach(longer)

    async def close(self) -> None:
        pass


async def pause(world: Simulation, seconds: float) -> None:
    """Wait without a task: for code that runs in a process as for code outside of it."""
    later = world.create_future()
    world.call_later(seconds, lambda: later.done() or later.set_result(None))
    await later


async def live(world: Simulation, step: Callable[[], Any], until: Callable[[], bool], seconds: float = 0.05) -> None:
    """Be a role: step after step, a pause where there is nothing to do or a step failed."""
    while not until():
        try:
            busy = await step()
        except (Unavailable, Exception):
            busy = False
        if not busy:
            await pause(world, seconds * (0.5 + world.random.random()))


async def trouble(world: Simulation, processes: list[Process], again: Callable[[str], Process], rounds: int) -> None:
    """Kill and pause processes; each that was killed is started anew."""
    for _ in range(rounds):
        await pause(world, world.random.uniform(0.02, 0.6))
        at = world.random.randrange(len(processes))
        process = processes[at]
        if world.random.random() < 0.5:
            process.kill()
            await pause(world, world.random.uniform(0.0, 0.3))
            processes[at] = again(f"{process.name}+")
        else:
            process.pause()
            await pause(world, world.random.uniform(0.1, 1.5))
            process.resume()


def moment(world: Simulation) -> datetime:
    """Return the schedule's time as a date."""
    return START + timedelta(seconds=world.time())
