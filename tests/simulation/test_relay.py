"""The relay: everything committed reaches the broker, whatever it forgets, whoever dies; and nothing is passed over (I5, I10)."""

import pytest

from armature.engine.delivery_log import DeliveryLog, DeliveryParts
from armature.engine.lease import Lease
from armature.engine.policies import DeliveryPolicy
from armature.engine.relay import Relay
from armature.engine.requests import Requests
from armature.testing.simulation import Process, Simulation, simulate

from .world import SCHEMA, SEEDS, TENANT, Broker, Remote, RemoteBus, Store, live, moment, pause, trouble

STORE = Store()
POLICY = DeliveryPolicy(window_events=5, broker_check_seconds=0.3, lease_seconds=1.0)
EVENTS = 24
pytestmark = pytest.mark.slow
REGRESSIONS: list[int] = [78, 309, 1491]


class Group:
    """A registered consumer: it takes what the broker holds, and has written down what it is done with."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.at = 0
        self.has: list[int] = []
        STORE.rows("insert into armature_consumers select 'group', log, epoch, 0, 0 from armature_log")

    def take(self) -> None:
        stored = self.broker.stored
        self.has += [message.position for message in stored[self.at :]]
        self.at = len(stored)
        aside = {position for (position,) in STORE.rows("select position from armature_quarantine")}
        done, floor = aside.union(self.has), 0
        while floor + 1 in done:
            floor += 1
        STORE.rows("update armature_consumers set position = ?", floor)


async def schedule(world: Simulation) -> None:
    STORE.begin(world.time)
    broker, over = Broker(world), False
    group = Group(broker)
    poison = 1 + world.random.randrange(EVENTS * 4)
    broker.window = (0, 3, 40, 40)[poison % 4]  # some forget what they have seen long before it comes again
    broker.refuses = lambda message: "too large" if message.position == poison else ""

    def start(name: str) -> Process:
        process = Process(world, name)
        database = Remote(world, STORE)
        lease = Lease(database, "relay", name, POLICY.lease_seconds, process.clock)
        events = DeliveryLog(database, SCHEMA)
        requests = Requests(database, lambda: moment(world))
        bus = RemoteBus(world, broker)
        parts = DeliveryParts(database, events, bus, requests, POLICY, lambda: moment(world), process.clock)  # type: ignore[arg-type]
        relay = Relay(parts, lease)
        process.run(live(world, relay.step, lambda: over, 0.1))
        return process

    forgets = world.random.random() < 0.6
    world.create_task(_write(world))
    world.create_task(_follow(world, group, lambda: over))
    if forgets:
        world.create_task(_forget(world, broker, group))
    world.lost_requests = world.lost_answers = 0.03
    await trouble(world, [start("a"), start("b")], start, 2)
    world.lost_requests = world.lost_answers = 0.0
    while len(_arrived(group)) < EVENTS and world.time() < 30:
        await pause(world, 0.2)
    over = True
    _check(group, poison, forgets)


async def _write(world: Simulation) -> None:
    for number in range(1, EVENTS + 1):
        STORE.record(number, f"thing/{number % 3}", number // 3 + 1)
        if number % 4 == 0:
            await pause(world, world.random.uniform(0.0, 0.6))


async def _follow(world: Simulation, group: Group, over: object) -> None:
    while not over():  # type: ignore[operator]
        await pause(world, world.random.uniform(0.05, 0.5))
        group.take()


async def _forget(world: Simulation, broker: Broker, group: Group) -> None:
    await pause(world, world.random.uniform(0.3, 3.0))
    if world.random.random() < 0.4:
        broker.lose_all()
        group.at = 0
    else:
        broker.go_back(world.random.randrange(len(broker.stored) + 1))
        group.at = min(group.at, len(broker.stored))


def _arrived(group: Group) -> set[int]:
    aside = STORE.rows("select position from armature_quarantine where tenant_id = ?", TENANT)
    return set(group.has) | {position for (position,) in aside}


def _check(group: Group, poison: int, forgets: bool) -> None:
    missing = set(range(1, EVENTS + 1)) - _arrived(group)
    assert not missing, f"never delivered: {sorted(missing)}"
    firsts = list(dict.fromkeys(group.has))
    if poison <= EVENTS:
        behind = [position for position in firsts if position > poison and position % 3 == poison % 3]
        assert not behind, f"a stream went on past its poisoned event {poison}: {behind}"
    if not forgets:
        for stream in range(3):
            mine = [position for position in firsts if position % 3 == stream]
            assert mine == sorted(mine), f"first deliveries of a stream are out of order: {mine}"


def test_everything_committed_reaches_a_broker_that_forgets() -> None:
    simulate(schedule, [*REGRESSIONS, *SEEDS])
