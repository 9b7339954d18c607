"""Consumers: each event has its effect once, each stream in its order, whatever is repeated, lost or killed (I9)."""

from uuid import UUID

import pytest

from armature.engine.consumer import Consumer, Wanted
from armature.engine.delivery_log import DeliveryLog, DeliveryParts
from armature.engine.generations import unit
from armature.engine.policies import DeliveryPolicy
from armature.engine.requests import Requests
from armature.kernel.statement import change
from armature.ports.bus import Message
from armature.ports.database import Bound, Committed, Conflict
from armature.testing.simulation import Process, Simulation, simulate

from .world import SCHEMA, SEEDS, START, TENANT, Broker, Remote, RemoteBus, Store, live, moment, pause, trouble

STORE = Store(
    "create table sim_effects (at integer primary key autoincrement, event_id blob not null, stream text not null,"
    " position integer not null) strict;"
)
EFFECT = change("insert into sim_effects (event_id, stream, position) values (:event_id, :stream, :position)")
POLICY = DeliveryPolicy(ack_seconds=1.0, attempts_max=2, retry_seconds=0.1)
EVENTS = 14
pytestmark = pytest.mark.slow
REGRESSIONS: list[int] = [43, 692]


class Poisoned(Exception):
    """The reaction cannot take this event."""


async def schedule(world: Simulation) -> None:
    STORE.begin(world.time)
    STORE.bind((EFFECT,))
    broker, over = Broker(world), False
    broker.order = world.random.random() < 0.5
    poison = [1 + world.random.randrange(EVENTS * 3)]

    def start(name: str) -> Process:
        process = Process(world, name)
        database = Remote(world, STORE)

        async def take(message: Message, writes: list[Bound]) -> bool:
            if message.position == poison[0]:
                raise Poisoned
            effect = (EFFECT, (message.event_id, message.stream, message.position))
            verdict = await database.commit(unit([*writes, effect]))
            assert isinstance(verdict, Committed | Conflict)
            return isinstance(verdict, Committed)

        log = DeliveryLog(database, SCHEMA)
        requests = Requests(database, lambda: moment(world))
        parts = DeliveryParts(database, log, RemoteBus(world, broker), requests, POLICY, lambda: moment(world), process.clock)  # type: ignore[arg-type]
        consumer = Consumer(Wanted("sim.react", frozenset(("sim.stepped", "sim.loose")), True), parts, take)
        process.run(live(world, consumer.step, lambda: over, 0.1))
        return process

    writing = world.create_task(_write(world, broker))
    world.lost_requests = world.lost_answers = 0.02
    await trouble(world, [start("a"), start("b")], start, 2)
    world.lost_requests = world.lost_answers = 0.0
    broker.again = 0.0
    await writing
    await pause(world, 2.0)
    poison[0] = 0
    while len(_effects()) < len(_wanted()) and world.time() < 40:
        STORE.rows("update armature_requests set state = 'done'")
        STORE.rows("insert into armature_requests (kind, subject, asked_at) values ('retry', 'sim.react', 0)")
        await pause(world, 2.0)
    await pause(world, 1.0)
    over = True
    _check()


async def _write(world: Simulation, broker: Broker) -> None:
    """Three streams: one counts versions, one does so across types this consumer does not take, one does not count.

    They are published as a relay does it: in order, some of them again later, and some only then.
    """
    log = STORE.rows("select log from armature_log")[0][0]
    versions = {"a": 0, "b": 0}
    late: list[Message] = []
    for position in range(1, EVENTS + 1):
        stream, kind, version = world.random.choice("abc"), "sim.stepped", None
        if stream == "c":
            kind = "sim.loose"
        else:
            version = versions[stream] = versions[stream] + 1
            if stream == "b" and world.random.random() < 0.5:
                kind = "sim.other"
        STORE.record(position, stream, version, kind)
        message = Message(
            UUID(int=position), log, 1, position, kind, 1, TENANT, stream, version, b"1", "c", "c", None, "ann", START
        )
        draw = world.random.random()
        if draw > 0.15 or version is None:
            broker.stored.append(message)
        if draw < 0.3:
            late.append(message)
        await pause(world, world.random.choice((0.0, 0.1, 0.4)))
    await pause(world, world.random.uniform(0.0, 1.0))
    broker.stored += late


def _wanted() -> list[tuple[int, str]]:
    return STORE.rows("select id, stream from armature_outbox where type <> 'sim.other' order by id")


def _effects() -> list[tuple[int, str]]:
    return STORE.rows("select position, stream from sim_effects order by at")


def _check() -> None:
    effects, wanted = _effects(), _wanted()
    twice = sorted({one for one in effects if effects.count(one) > 1})
    assert not twice, f"an event had its effect more than once: {twice}"
    missing = sorted(set(wanted) - set(effects))
    assert not missing, f"an event never had its effect: {missing}"
    for stream in "ab":
        mine = [position for position, of in effects if of == stream]
        assert mine == sorted(mine), f"effects of a stream are out of order: {mine}"
    parked = STORE.rows("select stream from armature_dead_letters")
    assert not parked, f"streams are parked for ever: {parked}"


def test_each_event_has_its_effect_once_and_each_stream_in_order() -> None:
    simulate(schedule, [*REGRESSIONS, *SEEDS])
