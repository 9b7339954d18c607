"""Where plan and fact differ: reads that are long in spite of their plan, constraints that speak only at COMMIT, unfit files."""

import asyncio
import os
import threading
from itertools import count
from pathlib import Path
from typing import Any

import apsw
import pytest

from armature.adapters.sqlite.apply import Plans
from armature.adapters.sqlite.connection import connect, file_system
from armature.adapters.sqlite.database import SqliteDatabase
from armature.adapters.sqlite.plan import compile_plan
from armature.adapters.sqlite.reader import Reader
from armature.conformance.database_accounts import OPEN, STATEMENTS, TABLES, TENANT, Account
from armature.conformance.database_world import Waiter, World, raises, run
from armature.engine.policies import DatabasePolicy, QueryPolicy
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import Select, change, select
from armature.ports.database import Bound, Committed, Read, Unit, Violated
from tests.faults.sqlite_world import FOUNDATION, sqlite_world

COUNT = "with recursive n (i) as (select 1 union all select i + 1 from n where i < :top) select max(i) from n limit 1"
"""Short by its plan: no table, and a limit."""

DEFERRED = """
create table law_parents (id integer primary key);
create table law_children (id integer primary key, parent integer references law_parents (id) deferrable initially deferred);
create table law_fragile (id integer primary key on conflict rollback);
insert into law_fragile values (1);
"""
CHILD = change("insert into law_children (id, parent) values (:id, :parent)")
PARENT = change("insert into law_parents (id) values (:id)")
FRAGILE = change("insert into law_fragile (id) values (:id)")


def reader(path: Path, statement: Select[int], policy: QueryPolicy) -> tuple[Reader, Plans]:
    connect(str(path), "full", writer=True).close()
    plans = Plans()
    made = Reader(lambda: connect(str(path), "full", writer=False), plans, policy)
    plans[statement] = compile_plan(made.db, statement)
    return made, plans


def test_a_read_of_many_steps_is_interrupted_and_answered_by_a_thread(tmp_path: Path) -> None:
    async def story() -> None:
        statement = select(int, COUNT)
        loop_reads, plans = reader(tmp_path / "a.db", statement, QueryPolicy(loop_read_seconds=60.0))
        assert plans[statement].short
        for _ in range(3):
            assert await loop_reads.read(((statement, (10,)),)) == [[10]]
        assert loop_reads.loop_reads_interrupted == 0
        for _ in range(3):
            assert await loop_reads.read(((statement, (200_000,)),)) == [[200_000]]
        assert loop_reads.loop_reads_interrupted == 1, "only the first was tried on the loop"
        loop_reads.close()

    run(story())


def test_reads_of_one_turn_share_a_transaction_and_a_read_that_is_alone_has_none(tmp_path: Path) -> None:
    async def story() -> None:
        statement = select(int, COUNT)
        ask = (statement, (1,))
        loop_reads, _ = reader(tmp_path / "a.db", statement, QueryPolicy(loop_read_seconds=60.0))
        begun: list[bool] = []

        async def look(*asks: Bound) -> None:
            await loop_reads.read(asks)
            begun.append(loop_reads.db.in_transaction)

        await look(ask)
        await look(ask)
        await look(ask)
        assert begun == [False, True, True], "from the second of a turn on"
        for _ in range(2):
            await asyncio.sleep(0)
            assert not loop_reads.db.in_transaction, "the turn has ended, and with it its state"
            await look(ask)
        assert begun[3:] == [True, False], "after a turn with several the first begins; after one that was alone none does"
        await asyncio.sleep(0)
        await look(ask, ask)
        assert begun[5:] == [True], "what asks for several things sees one state of them"
        loop_reads.close()

    run(story())


def test_many_short_reads_are_never_interrupted_together(tmp_path: Path) -> None:
    async def story() -> None:
        statement = select(int, COUNT)
        loop_reads, _ = reader(tmp_path / "a.db", statement, QueryPolicy(loop_read_seconds=60.0))
        for _ in range(300):  # SQLite counts the steps of a cached statement over all its runs
            await loop_reads.read(((statement, (400,)),))
        assert loop_reads.loop_reads_interrupted == 0
        loop_reads.close()

    run(story())


@pytest.mark.parametrize(("seconds", "away"), [(1e-9, True), (60.0, False)])
def test_what_is_slow_twice_leaves_the_loop(tmp_path: Path, seconds: float, away: bool) -> None:
    async def story() -> None:
        statement = select(int, COUNT)
        loop_reads, plans = reader(tmp_path / "a.db", statement, QueryPolicy(loop_read_seconds=seconds))
        await loop_reads.read(((statement, (10,)),))
        assert not plans[statement].heavy_until
        assert await loop_reads.read(((statement, (10,)),)) == [[10]]
        assert bool(plans[statement].heavy_until) is away
        assert await loop_reads.read(((statement, (10,)),)) == [[10]]
        loop_reads.close()

    run(story())


def test_what_a_busy_machine_slows_a_few_times_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        statement = select(int, COUNT)
        loop_reads, plans = reader(tmp_path / "a.db", statement, QueryPolicy(loop_read_seconds=0.005))
        times = count(1000.0, 0.009)  # two looks at the clock to a read
        monkeypatch.setattr("armature.adapters.sqlite.reader.monotonic", lambda: next(times))
        for _ in range(5):
            await loop_reads.read(((statement, (10,)),))
        assert not plans[statement].heavy_until
        await loop_reads.read(((statement, (10,)),))
        assert plans[statement].heavy_until
        loop_reads.close()

    run(story())


def test_a_read_nobody_waits_for_ends_and_closing_does_not_wait_for_it(tmp_path: Path) -> None:
    async def story() -> None:
        statement = select(int, COUNT)
        loop_reads, plans = reader(tmp_path / "a.db", statement, QueryPolicy(reader_threads=1))
        plans[statement].short = False
        endless = ((statement, (1 << 60,)),)
        left = asyncio.create_task(loop_reads.read(endless))
        await asyncio.sleep(0)
        left.cancel()
        await raises(asyncio.CancelledError, left)
        # The one thread is free again, or this would hang.
        assert await loop_reads.read(((statement, (10,)),)) == [[10]]
        still = asyncio.create_task(loop_reads.read(endless))
        await asyncio.sleep(0)
        loop_reads.close()
        await raises(BaseException, still)

    run(story())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("armature")]


def test_a_constraint_that_speaks_at_commit_hits_only_its_own_unit(tmp_path: Path) -> None:
    async def story() -> None:
        async with sqlite_world(tmp_path / "a.db") as world:
            await world.database.script(DEFERRED)
            world.database.bind([CHILD, PARENT])
            await world.account("hot")
            verdicts = await asyncio.gather(
                world.commit(world.opened("a")),
                world.commit(world.opened("b"), (CHILD, (1, 77))),
                world.step("hot"),
                world.commit((CHILD, (2, 5)), (PARENT, (5,))),
            )
            assert [type(verdict) for verdict in verdicts] == [Committed, Violated, Committed, Committed]
            assert await world.find("b") is None

    run(story())


def test_a_table_that_ends_the_transaction_leaves_nothing_half_done(tmp_path: Path) -> None:
    async def story() -> None:
        async with sqlite_world(tmp_path / "a.db") as world:
            await world.database.script(DEFERRED)
            world.database.bind([FRAGILE])
            told = await asyncio.gather(
                world.commit(world.opened("a")),
                world.commit(world.opened("b"), (FRAGILE, (1,))),
                world.commit(world.opened("c")),
                return_exceptions=True,
            )
            found = [await world.find(name) is not None for name in "abc"]
            assert [isinstance(verdict, Committed) for verdict in told] == found
            assert not found[1]
            assert isinstance(await world.commit(world.opened("d")), Committed)

    run(story())


def test_a_unit_whose_caller_is_cancelled_in_the_queue_is_never_written(tmp_path: Path) -> None:
    async def story() -> None:
        async with sqlite_world(tmp_path / "a.db") as world:
            left = asyncio.create_task(world.commit(world.opened("left")))
            await asyncio.sleep(0)
            left.cancel()
            await raises(asyncio.CancelledError, left)
            await world.account("after")
            assert await world.find("left") is None

    run(story())


def test_a_turn_that_returns_no_unit_is_its_callers_own_bug(tmp_path: Path) -> None:
    async def story() -> None:
        async with sqlite_world(tmp_path / "a.db") as world:
            await world.account("hot")

            async def nothing(_: Read) -> Any:
                return None

            first, bug, last = await asyncio.gather(
                world.step("hot"), world.database.turn((), nothing, Waiter()), world.step("hot"), return_exceptions=True
            )
            assert isinstance(bug, TypeError)
            assert (type(first), type(last)) == (Committed, Committed)

    run(story())


def test_a_large_unit_and_small_ones_share_a_batch_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with sqlite_world(tmp_path / "a.db") as world:
            await world.account("a")
            large = [world.opened(f"n{n}") for n in range(100)]
            verdicts = await asyncio.gather(
                world.commit(world.saved("a", 1, expected=1)),
                world.commit(*large, world.saved("a", 2, expected=2)),
                world.commit(*large, world.saved("a", 3, expected=3)),  # those accounts exist by now
                world.commit(world.saved("a", 4, expected=3)),
                world.step("a"),
            )
            assert [type(verdict) for verdict in verdicts] == [Committed, Committed, Violated, Committed, Committed]
            assert await world.find("a") == Account("a", 5, 5)

    run(story())


def test_a_statement_that_was_never_bound_is_named(tmp_path: Path) -> None:
    async def story() -> None:
        async with sqlite_world(tmp_path / "a.db") as world:
            stranger = change("insert into law_accounts (id) values (:id)")
            refused = await raises(LookupError, world.commit((stranger, ("a",))))
            assert stranger.home in str(refused)
            assert isinstance(await world.commit((OPEN, (TENANT, "a", "a", 0))), Committed)

    run(story())


def test_a_database_before_its_opening_and_a_second_opening_say_so(tmp_path: Path) -> None:
    async def story() -> None:
        database = SqliteDatabase(tmp_path / "a.db", policy=DatabasePolicy(), queries=QueryPolicy(), turn_seconds=0.25)
        assert "not open yet" in str(await raises(Unavailable, database.commit(Unit("laws", Waiter()))))
        await database.close()
        await database.open()
        assert "is open" in str(await raises(Unavailable, database.open()))
        await database.script(FOUNDATION + TABLES)
        database.bind(STATEMENTS)
        await World(database).account("a")
        assert (database.commits, database.batches, database.batch_sizes) == (1, 1, {1: 1})
        assert database.wal_bytes > 0
        await database.close()

    run(story())


@pytest.mark.parametrize(("name", "words"), [("no/such/folder.db", "cannot be opened"), ("text.db", "no database")])
def test_an_unfit_file_is_refused_in_words(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "text.db").write_text("this is a letter, not a database" * 100)
    database = SqliteDatabase(tmp_path / name, policy=DatabasePolicy(), queries=QueryPolicy(), turn_seconds=0.25)
    assert words in str(run(raises(Unavailable, database.open())))


def test_a_file_that_cannot_have_a_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="journal_mode=memory"):
        connect(":memory:", "full", writer=True)


def test_the_policy_decides_how_commits_are_synced(tmp_path: Path) -> None:
    for name, level in (("normal", 1), ("full", 2), ("extra", 3)):
        db: apsw.Connection = connect(str(tmp_path / "a.db"), name, writer=True)
        assert db.execute("pragma synchronous").get == level
        assert db.execute("pragma foreign_keys").get == 1
        db.close()


def test_the_file_system_of_a_folder_is_known_on_linux(tmp_path: Path) -> None:
    assert file_system(Path("/proc")) == "proc"
    assert file_system(tmp_path) == file_system(Path(os.path.realpath(tmp_path)))
