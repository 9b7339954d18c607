"""What a database owes to one unit: all of it or nothing, judged alone, with the reason named (laws 1 to 6)."""

import asyncio
from datetime import timedelta
from pathlib import Path

from msgspec import structs

from armature.conformance.database_accounts import (
    ALL,
    BY_ID,
    CLEAR,
    CLEAR_TWO,
    KEY,
    OPEN,
    OPEN_ONCE,
    SAVE,
    TENANT,
    Account,
)
from armature.conformance.database_told import FORGET
from armature.conformance.database_world import DatabaseStories, event, key, run
from armature.kernel.work import UnitTooLarge
from armature.ports.database import Bound, Committed, Conflict, Twin, Violated

__all__ = ["UnitLaws"]


class UnitLaws(DatabaseStories):
    """One unit: its writes, guards, key and events."""

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

    def test_a_unit_that_touches_more_rows_than_it_may_is_refused_and_its_neighbours_are_not(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                for name in "abc":
                    await world.account(name, 4)
                clear = (CLEAR, (TENANT,))
                first, large, last = await asyncio.gather(
                    world.commit(world.opened("d")),
                    world.commit(clear, rows_max=2),
                    world.commit(world.opened("e")),
                    return_exceptions=True,
                )
                assert isinstance(large, UnitTooLarge) and CLEAR.home in str(large), large
                assert (type(first), type(last)) == (Committed, Committed)
                assert await world.find("a") == Account("a", 4, 1)
                assert isinstance(await world.commit(clear, rows_max=5), Committed)

        run(story())

    def test_many_rows_of_one_insert_are_there_or_none_of_them(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("taken")
                for at in (0, 70, 149):
                    many = [world.opened(f"n{n}", n, called="taken" if n == at else None) for n in range(150)]
                    verdict = await world.commit(*many)
                    assert isinstance(verdict, Violated), at
                    assert "law_accounts_name" in verdict.constraint
                    (rows,) = await world.database.read(((ALL, (TENANT,)),))
                    assert rows == [Account("taken", 0, 1)]
                assert isinstance(await world.commit(*(world.opened(f"n{n:03}", n) for n in range(150))), Committed)
                (rows,) = await world.database.read(((ALL, (TENANT,)),))
                assert rows == [*(Account(f"n{n:03}", n, 1) for n in range(150)), Account("taken", 0, 1)]

        run(story())

    def test_a_row_among_many_that_is_there_already_is_a_conflict(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("there", 7)
                for at in (0, 70, 149):
                    names = ["there" if n == at else f"n{n}" for n in range(150)]
                    verdict = await world.commit(*((OPEN_ONCE, (TENANT, name, f"called {name}", 1)) for name in names))
                    assert verdict == Conflict(OPEN_ONCE, ("law_accounts", (TENANT, "there"))), at
                    (rows,) = await world.database.read(((ALL, (TENANT,)),))
                    assert rows == [Account("there", 7, 1)]

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

    def test_a_key_whose_answer_has_expired_is_taken_over(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                first = key(b"k")
                later = structs.replace(first, asked_at=first.expires_at, expires_at=first.expires_at + timedelta(days=1))
                assert isinstance(await world.commit(key=first), Committed)
                again = await world.commit(world.opened("a"), key=structs.replace(later, outcome=b'"new"'))
                assert isinstance(again, Committed)
                assert isinstance(await world.commit(key=later), Twin)
                (kept,) = await world.database.read(((KEY, (TENANT, b"k")),))
                assert [row.outcome for row in kept] == [b'"new"']

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
                    await world.commit((FORGET, (seen[-1] - 4,)), lane="armature")
            async with self.world(tmp_path, fresh=False) as world:
                verdict = await world.commit(events=[event()])
                assert isinstance(verdict, Committed) and verdict.last_id is not None
                seen.append(verdict.last_id)
            assert seen == sorted(set(seen))
            assert len(seen) == 49

        run(story())
