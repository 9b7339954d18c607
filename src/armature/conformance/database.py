"""The laws of a database, as tests that every adapter inherits.

A subclass says how to make a database on a folder (two on one folder share their data) and which DDL the framework's own tables need.
Each law has a test that fails when the law is broken; the names say which.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from armature.conformance.database_world import (
    ALL,
    AMONG,
    BY_ID,
    CLEAR,
    CLEAR_TWO,
    FORGET,
    KEY,
    OPEN,
    SAVE,
    STATEMENTS,
    SUM,
    TABLES,
    TENANT,
    Account,
    Waiter,
    World,
    closed,
    event,
    key,
    raises,
    run,
)
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import select
from armature.ports.database import Bound, Committed, Conflict, Database, Expired, Read, Twin, Unit, Verdict, Violated

__all__ = ["DatabaseLaws"]


class DatabaseLaws(ABC):
    """Inherit, implement two methods, and pytest runs the laws."""

    @abstractmethod
    def make(self, folder: Path) -> Database:
        """Return a database that is not open yet."""

    @abstractmethod
    def foundation(self) -> str:
        """Return the DDL of the framework's own tables."""

    @asynccontextmanager
    async def world(self, folder: Path, *, fresh: bool = True) -> AsyncIterator[World]:
        """Open a database with the laws' tables in it."""
        database = self.make(folder)
        await database.open()
        try:
            if fresh:
                await database.script(self.foundation())
                await database.script(TABLES)
            database.bind(STATEMENTS)
            yield World(database)
        finally:
            await database.close()

    # 1. whole or not at all, and nobody suffers for a neighbour

    def test_a_unit_whose_second_write_fails_leaves_nothing_of_its_first(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a")
                verdict = await world.commit(world.opened("b"), world.saved("a", 9, expected=7), events=[event()], key=key(b"k"))
                assert isinstance(verdict, Conflict)
                assert await world.find("b") is None
                assert await world.events() == []
                (kept,) = await world.database.read(((KEY, (TENANT, b"k")),))
                assert kept == []

        run(story())

    def test_units_that_fail_after_writing_do_not_poison_their_batch(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("taken")

                def unit(n: int) -> tuple[Bound, ...]:
                    good = world.opened(f"n{n}")
                    if n % 5 == 1:
                        return good, world.opened(f"x{n}", called="taken")
                    if n % 5 == 3:
                        return good, world.saved("taken", 1, expected=9)
                    return (good,)

                verdicts = await asyncio.gather(*(world.commit(*unit(n), events=[event()]) for n in range(64)))
                kinds = {1: Violated, 3: Conflict}
                assert [type(v) for v in verdicts] == [kinds.get(n % 5, Committed) for n in range(64)]
                for n in range(64):
                    assert (await world.find(f"n{n}") is None) is (n % 5 in kinds), n
                ids = [v.last_id for v in verdicts if isinstance(v, Committed)]
                assert ids == await world.events()

        run(story())

    def test_a_unit_with_a_bug_raises_at_its_own_caller_only(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                bad = (OPEN, (TENANT, "bad", "bad", object()))
                first, bug, last = await asyncio.gather(
                    world.commit(world.opened("a")),
                    world.commit(world.opened("b"), bad),
                    world.commit(world.opened("c")),
                    return_exceptions=True,
                )
                assert isinstance(bug, Exception)
                assert (type(first), type(last)) == (Committed, Committed)
                assert await world.find("b") is None

        run(story())

    # 2. durable

    def test_what_was_committed_is_there_after_a_reopen(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a", 5)
            async with self.world(tmp_path, fresh=False) as world:
                assert await world.find("a") == Account("a", 5, 1)

        run(story())

    # 3. compare, rows and guards

    def test_a_lost_compare_names_the_statement_and_the_row(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a")
                verdict = await world.commit(world.saved("a", 1, expected=2))
                assert verdict == Conflict(SAVE, ("law_accounts", (TENANT, "a")))

        run(story())

    def test_of_many_who_decided_on_one_version_one_wins(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a")
                verdicts = await asyncio.gather(*(world.commit(world.saved("a", n, expected=1)) for n in range(32)))
                assert sum(isinstance(v, Committed) for v in verdicts) == 1
                assert sum(isinstance(v, Conflict) for v in verdicts) == 31

        run(story())

    def test_a_change_that_touches_more_rows_than_declared_does_nothing(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                for name in "abc":
                    await world.account(name, 4)
                assert isinstance(await world.commit((CLEAR_TWO, (TENANT,))), Conflict)
                assert await world.find("a") == Account("a", 4, 1)
                assert isinstance(await world.commit((CLEAR, (TENANT,))), Committed)
                assert await world.find("a") == Account("a", 0, 2)

        run(story())

    def test_a_guard_that_finds_nothing_is_a_conflict_before_anything_is_written(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("there")
                missing = await world.commit(world.opened("a"), guards=[(BY_ID, (TENANT, "missing"))])
                assert isinstance(missing, Conflict)
                assert missing.statement is BY_ID
                assert await world.find("a") is None
                assert isinstance(await world.commit(world.opened("a"), guards=[(BY_ID, (TENANT, "there"))]), Committed)

        run(story())

    # 4. unique indexes

    def test_a_unique_index_is_reported_by_its_name(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a")
                assert await world.commit(world.opened("b", called="a")) == Violated("law_accounts_name", OPEN)
                assert await world.commit(world.opened("a", called="c")) == Violated("law_accounts_pkey", OPEN)

        run(story())

    # 5. keys

    def test_one_key_is_committed_once_whatever_else_the_twin_holds(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a")
                units = [(world.saved("a", n, expected=1), world.opened(f"n{n}", called="same")) for n in range(8)]
                verdicts = await asyncio.gather(*(world.commit(*unit, key=key(b"k")) for unit in units))
                assert [type(v) for v in verdicts] == [Committed] + [Twin] * 7
                assert isinstance(await world.commit(key=key(b"k", tenant="another")), Committed)

        run(story())

    def test_a_key_remembers_the_id_of_the_last_event(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                verdict = await world.commit(events=[event(), event()], key=key(b"k"))
                assert isinstance(verdict, Committed)
                (kept,) = await world.database.read(((KEY, (TENANT, b"k")),))
                assert [row.last_id for row in kept] == [verdict.last_id]
                assert verdict.last_id == (await world.events())[-1]

        run(story())

    # 6. ids of events

    def test_ids_grow_with_the_commits_and_never_come_back(self, tmp_path: Path) -> None:
        async def story() -> None:
            seen: list[int] = []
            async with self.world(tmp_path) as world:
                for _ in range(3):
                    verdicts = await asyncio.gather(*(world.commit(events=[event(), event()]) for _ in range(16)))
                    seen += [v.last_id for v in verdicts if isinstance(v, Committed) and v.last_id]
                    await world.commit((FORGET, (seen[-1] - 4,)))
            async with self.world(tmp_path, fresh=False) as world:
                verdict = await world.commit(events=[event()])
                assert isinstance(verdict, Committed) and verdict.last_id is not None
                seen.append(verdict.last_id)
            assert seen == sorted(set(seen))
            assert len(seen) == 49

        run(story())

    # 7. reads

    def test_reads_of_one_call_see_one_state(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a", 100)
                await world.account("b", 0)
                moved = 0

                async def move() -> None:
                    nonlocal moved
                    for n in range(60):
                        a, b = 100 - n - 1, n + 1
                        verdict = await world.commit(world.saved("a", a, expected=n + 1), world.saved("b", b, expected=n + 1))
                        assert isinstance(verdict, Committed)
                        moved += 1

                mover = asyncio.create_task(move())
                while not mover.done():
                    (a,), (b,) = await world.database.read(((BY_ID, (TENANT, "a")), (BY_ID, (TENANT, "b"))))
                    (everybody,), (total,) = (await world.database.read(((ALL, (TENANT,)), (SUM, (TENANT,))))), (100,)
                    assert a.value + b.value == 100
                    assert (sum(account.value for account in everybody[0:2]), total) == (100, 100) if everybody else False
                    await asyncio.sleep(0)
                await mover
                assert moved == 60

        run(story())

    def test_a_read_after_a_verdict_sees_it(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:

                async def one(n: int) -> None:
                    await world.account(f"n{n}", n)
                    assert await world.find(f"n{n}") == Account(f"n{n}", n, 1)

                await asyncio.gather(*(one(n) for n in range(64)))
                wanted = ["n3", "n7", "nobody"]
                (found,) = await world.database.read(((AMONG, (TENANT, wanted)),))
                assert sorted(account.id for account in found) == ["n3", "n7"]
                assert await world.database.read(((AMONG, (TENANT, [])),)) == [[]]

        run(story())

    # 8. owners

    def test_a_unit_nobody_waits_for_is_dropped_and_its_neighbours_are_not(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                late, gone = Waiter(seconds=-1.0), Waiter(gone=True)
                verdicts = await asyncio.gather(
                    world.commit(world.opened("a")),
                    world.commit(world.opened("b"), owner=late),
                    world.commit(world.opened("c"), owner=gone),
                    world.commit(world.opened("d")),
                )
                assert [type(v) for v in verdicts] == [Committed, Expired, Expired, Committed]
                assert [await world.find(name) is None for name in "abcd"] == [False, True, True, False]

        run(story())

    def test_a_caller_that_is_cancelled_leaves_all_or_nothing_and_harms_nobody(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                for round_ in range(20):
                    names = [f"r{round_}n{n}" for n in range(8)]
                    tasks = [asyncio.create_task(world.commit(world.opened(n), events=[event()])) for n in names]
                    for _ in range(round_ % 5):
                        await asyncio.sleep(0)
                    tasks[3].cancel()
                    verdicts = await asyncio.gather(*tasks, return_exceptions=True)
                    assert all(isinstance(v, Committed) for n, v in enumerate(verdicts) if n != 3)
                await world.commit()
                accounts = (await world.database.read(((ALL, (TENANT,)),)))[0]
                assert len(accounts) == len(await world.events())

        run(story())

    # 9. turns

    def test_sixty_four_callers_on_one_row_all_succeed_in_their_turn(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("hot")
                verdicts = await asyncio.gather(*(world.step("hot") for _ in range(64)))
                assert all(isinstance(v, Committed) for v in verdicts)
                assert await world.find("hot") == Account("hot", 64, 65)
                assert [v.last_id for v in verdicts if isinstance(v, Committed)] == await world.events()

        run(story())

    def test_a_turn_sees_what_stands_before_it(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a")
                mixed = [world.commit(world.saved("a", 10, expected=1)), world.step("a"), world.step("a")]
                verdicts = await asyncio.gather(*mixed)
                assert all(isinstance(v, Committed) for v in verdicts)
                assert await world.find("a") == Account("a", 12, 4)

        run(story())

    def test_turns_survive_a_neighbour_that_fails_after_writing(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a")

                def bad(n: int) -> tuple[Bound, ...]:
                    return world.opened(f"n{n}"), world.saved("a", 0, expected=99)

                waits = [world.step("a") if n % 2 else world.commit(*bad(n)) for n in range(12)]
                verdicts = await asyncio.gather(*waits)
                assert [type(v) for v in verdicts] == [Conflict, Committed] * 6
                assert await world.find("a") == Account("a", 6, 7)

        run(story())

    def test_an_exception_in_a_turn_is_its_callers_own(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a")

                async def refuse(read: Read) -> Unit:
                    await read(((BY_ID, (TENANT, "a")),))
                    raise LookupError("mine")

                first, mine, last = await asyncio.gather(
                    world.step("a"), world.database.turn((), refuse, Waiter()), world.step("a"), return_exceptions=True
                )
                assert isinstance(mine, LookupError)
                assert (type(first), type(last)) == (Committed, Committed)

        run(story())

    def test_a_turn_that_does_not_end_is_ended(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a")
                kept: list[Read] = []

                async def stay(read: Read) -> Unit:
                    kept.append(read)
                    await asyncio.Event().wait()
                    raise AssertionError("nothing ever sets that event")

                late, after = await asyncio.gather(raises(Unavailable, world.database.turn((), stay, Waiter())), world.step("a"))
                assert isinstance(late, Unavailable) and isinstance(after, Committed)
                await raises(Unavailable, kept[0](((BY_ID, (TENANT, "a")),)))

        run(story())

    # Whoever waits is answered: wake-ups, closing, refusals

    def test_no_wake_up_is_lost_however_callers_arrive(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("hot")
                dice = random.Random(20_250_401)

                async def caller(n: int) -> Verdict:
                    for _ in range(dice.randrange(12)):
                        await asyncio.sleep(0)
                    return await (world.step("hot") if dice.random() < 0.2 else world.commit(events=[event()]))

                for _ in range(40):
                    verdicts = await asyncio.gather(*(caller(n) for n in range(dice.randrange(1, 12))))
                    assert all(isinstance(v, Committed) for v in verdicts)

        run(story())

    def test_closing_gives_everybody_in_hand_a_verdict(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                waits = [asyncio.create_task(world.commit(world.opened(f"n{n}"))) for n in range(300)]
                await asyncio.sleep(0)
                await world.database.close()
                assert {type(v) for v in await asyncio.gather(*waits)} == {Committed}
                await world.database.close()
                await closed(world.database)

        run(story())

    def test_a_script_that_fails_leaves_nothing(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                half = "create table law_half (id integer primary key); insert into law_nowhere values (1);"
                await raises(ValueError, world.database.script(half))
                await world.database.script("create table law_half (id integer primary key)")
                await world.account("a")

        run(story())

    def test_a_statement_that_does_not_fit_is_refused_with_its_place(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                unknown = select(Account, "select id, value, versoin from law_accounts where id = :id")
                surplus = select(Account, "select id, value, version, name from law_accounts where id = :id")
                lacking = select(Account, "select id, value from law_accounts where id = :id")
                for statement, word in ((unknown, "versoin"), (surplus, "'name'"), (lacking, "'version'")):
                    try:
                        world.database.bind([statement])
                    except ValueError as refused:
                        assert word in str(refused) and statement.home in str(refused)
                    else:
                        raise AssertionError(f"{statement} was accepted")

        run(story())
