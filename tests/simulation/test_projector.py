"""Projectors: each event is folded once, also by two of them that die and are late; the checkpoint and the rows agree (I13)."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from armature import Event, Fold, Projection, change, event, on
from armature.adapters.sqlite.ddl import SqliteDdl
from armature.engine.event_log import EventLog
from armature.engine.generations import ALL, GENERATION_STATEMENTS, Model
from armature.engine.policies import ProjectionPolicy
from armature.engine.projector import Projector
from armature.kernel.statement import Statement
from armature.testing.simulation import Process, Simulation, simulate

from .world import SEEDS, Remote, Store, live, moment, pause, trouble

DDL = "create table sim_sums (stream text not null primary key, steps bigint not null, last bigint not null);"
STORE = Store(SqliteDdl()(DDL.replace("sim_sums", "sim_sums__1"), file="sums.sql"))
POLICY = ProjectionPolicy(batch_events=4, chunk_rows=4)
EVENTS = 12
pytestmark = pytest.mark.slow
REGRESSIONS: list[int] = []

ADD = change(
    """
insert into sim_sums (stream, steps, last) values (:stream, 1, :position)
    on conflict (stream) do update set steps = sim_sums.steps + 1, last = excluded.last
"""
)


@event("sim.stepped", schema=1, stream="name", version="version")
class Stepped(Event, frozen=True):
    """A thing moved."""

    name: str
    version: int


class Sums(Projection, name="sim.sums", version=1, tables="sums.sql"):
    """How often each thing moved."""

    @on(Stepped)
    def add(self, fold: Fold, event: Stepped) -> None:
        fold.plan(ADD)


class _Nothing(Struct):
    pass


MODEL = Model.of(Sums(), DDL)
TWINS: dict[Statement, Statement] = {}


def twin(statement: Any) -> Any:
    if statement not in TWINS:
        TWINS[statement] = statement.renamed(MODEL.renames(1))
        STORE.bind((TWINS[statement],))
    return TWINS[statement]


async def schedule(world: Simulation) -> None:
    STORE.begin(world.time)
    STORE.bind(GENERATION_STATEMENTS)
    STORE.rows("insert into armature_generations values ('sim.sums', 1, ?, 'sim_sums__1', 'live', 0, 0)", MODEL.fingerprint)
    STORE.rows("insert into armature_checkpoints (projection, generation, shard, position) values ('sim.sums', 1, 0, 0)")
    over = False

    def start(name: str) -> Process:
        process = Process(world, name)
        database = Remote(world, STORE)
        log = EventLog(database, Path("nowhere"))  # type: ignore[arg-type]
        row = next(row for row in STORE.applier.read(((ALL, ("sim.sums",)),))[0])
        projector = Projector(database, log, MODEL, row, POLICY, twin)  # type: ignore[arg-type]

        async def step() -> bool:
            return (await projector.step(moment(world))).value in ("moved", "refused", "lost")

        process.run(live(world, step, lambda: over, 0.1))
        return process

    world.create_task(_write(world))
    world.lost_requests = world.lost_answers = 0.03
    await trouble(world, [start("a"), start("b")], start, 1)
    world.lost_requests = world.lost_answers = 0.0
    while STORE.rows("select position from armature_checkpoints")[0][0] < EVENTS and world.time() < 20:
        await pause(world, 0.2)
    over = True
    for stream, version in STORE.rows("select stream, max(stream_version) from armature_outbox group by stream"):
        steps, last = STORE.rows("select steps, last from sim_sums__1 where stream = ?", stream)[0]
        assert steps == version, f"stream {stream} has {version} events and {steps} were folded, up to {last}"
    assert not STORE.rows("select * from armature_parked"), "a sound stream was parked"


async def _write(world: Simulation) -> None:
    for number in range(1, EVENTS + 1):
        body = b'{"name":"%d","version":%d}' % (number % 3, (number + 2) // 3)
        STORE.record(number, f"sim/{number % 3}", (number - 1) // 3 + 1, payload=body)
        if number % 3 == 0:
            await pause(world, world.random.uniform(0.0, 0.5))


def test_each_event_is_folded_once() -> None:
    simulate(schedule, [*REGRESSIONS, *SEEDS])
