"""What a database owes to those who wait: a verdict each, a turn on a hot row, an end when it closes (laws 8 to 10)."""

import asyncio
import random
from pathlib import Path

from armature.conformance.database_accounts import ALL, BY_ID, TENANT, Account
from armature.conformance.database_world import LANE, DatabaseStories, Waiter, closed, event, raises, run
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import select
from armature.ports.database import Bound, Committed, Conflict, Expired, Read, Unit, Verdict

__all__ = ["WaitingLaws"]


class WaitingLaws(DatabaseStories):
    """Many callers at once, and what becomes of each."""

    # 8. owners

    def test_a_unit_nobody_waits_for_is_dropped_and_its_neighbours_are_not(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                waits, late, gone = Waiter(), Waiter(seconds=-1.0), Waiter(gone=True)
                verdicts = await asyncio.gather(
                    world.commit(world.opened("a"), owner=waits),
                    world.commit(world.opened("b"), owner=late),
                    world.commit(world.opened("c"), owner=gone),
                    world.commit(world.opened("d")),
                )
                assert [type(v) for v in verdicts] == [Committed, Expired, Expired, Committed]
                assert [await world.find(name) is None for name in "abcd"] == [False, True, True, False]
                assert [owner.in_hand for owner in (waits, late, gone)] == [True, False, False]

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
                    assert all(isinstance(v, Committed) for n, v in enumerate(verdicts) if n != 3), verdicts
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
                first, *turns = await asyncio.gather(*mixed)
                assert all(isinstance(v, Committed) for v in turns)
                # A turn may get its row before a unit that was handed over earlier; then that one has lost it.
                came_first = isinstance(first, Committed)
                assert came_first or isinstance(first, Conflict)
                assert await world.find("a") == (Account("a", 12, 4) if came_first else Account("a", 2, 3))

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

    def test_a_turn_whose_caller_was_sent_away_ends_at_once_and_without_effect(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path) as world:
                await world.account("a")
                inside, go_on = asyncio.Event(), asyncio.Event()

                async def slow(read: Read) -> Unit:
                    inside.set()
                    await go_on.wait()
                    return Unit(LANE, Waiter(), (world.saved("a", 99, 1),))

                async def quick(read: Read) -> Unit:
                    sent_away.cancel()
                    return Unit(LANE, Waiter(), (world.saved("a", 99, 2),))

                sent_away = asyncio.create_task(world.database.turn((), slow, Waiter()))
                await inside.wait()
                sent_away.cancel()
                assert isinstance(await world.step("a"), Committed)
                sent_away = asyncio.create_task(world.database.turn((), quick, Waiter()))
                await asyncio.wait((sent_away,))
                assert isinstance(await world.step("a"), Committed)
                assert await world.find("a") == Account("a", 2, 3)

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
