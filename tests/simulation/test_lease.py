"""Leases: no write of an older term is accepted after one of a newer, whatever sleeps, dies or is late (I23)."""

import pytest

from armature.engine.generations import unit
from armature.engine.lease import Lease
from armature.kernel.statement import change
from armature.testing.simulation import Process, Simulation, simulate

from .world import SEEDS, Remote, Store, live, pause, trouble

STORE = Store("create table sim_writes (at integer primary key autoincrement, term integer not null) strict;")
WRITE = change("insert into sim_writes (term) values (:term)")
pytestmark = pytest.mark.slow
REGRESSIONS: list[int] = []


async def schedule(world: Simulation) -> None:
    STORE.begin(world.time)
    STORE.bind((WRITE,))
    over = False

    def start(name: str) -> Process:
        process = Process(world, name)
        database = Remote(world, STORE)
        lease = Lease(database, "relay", name, 1.0, process.clock)

        async def step() -> bool:
            term = await lease.hold()
            if term is None:
                return False
            await pause(world, world.random.uniform(0.0, 0.2))  # the work
            await database.commit(unit([(WRITE, (term,))], [lease.guard()]))
            return world.random.random() < 0.3

        process.run(live(world, step, lambda: over, 0.2))
        return process

    processes = [start(name) for name in "ab"]
    world.lost_requests = world.lost_answers = 0.03
    await trouble(world, processes, start, 3)
    world.lost_requests = world.lost_answers = 0.0
    before = len(STORE.rows("select term from sim_writes"))
    await pause(world, 1.5)
    over = True
    terms = [term for (term,) in STORE.rows("select term from sim_writes order by at")]
    assert terms == sorted(terms), f"a write of an older term after one of a newer: {terms}"
    assert len(terms) > before, "nobody took the lease after the last trouble"


def test_no_write_of_an_older_term_follows_one_of_a_newer() -> None:
    simulate(schedule, [*REGRESSIONS, *SEEDS])
