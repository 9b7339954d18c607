"""A connection, an owner or a guest that is lost between hand-over and verdict: what is told is what happened."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from armature.adapters.store.cache import StoreCache
from armature.adapters.store.guest import Guest
from armature.conformance.database_accounts import Account
from armature.conformance.database_world import event, key, raises, run
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.ports.database import Committed, Twin
from armature.testing.processes import frozen

from .pair import Keeper, guest
from .processes import Process
from .world import guest_world, kept, until

STAYS, GOES = "commit.committed", "commit.written"


def test_a_lost_connection_is_made_again_and_the_same_owner_tells_what_became_of_the_unit(tmp_path: Path) -> None:
    async def story() -> None:
        async with kept(Keeper(tmp_path)) as keeper, guest_world(tmp_path) as world:
            for n in range(40):
                wait = asyncio.create_task(world.commit(world.opened(f"n{n}"), events=[event()]))
                for _ in range(n % 8):
                    await asyncio.sleep(0)
                for desk in list(keeper.server.desks):
                    desk.hang_up()
                try:
                    verdict = await wait
                except Unavailable:
                    assert await world.find(f"n{n}") is None, "what was refused must not be there"
                else:
                    assert isinstance(verdict, Committed) == (await world.find(f"n{n}") is not None)
                await until(lambda: connected(world), "the guest is connected again")
            assert len(await world.events()) == keeper.told

    run(story())


async def connected(world: object) -> bool:
    await world.database.reached()  # type: ignore[attr-defined]
    return True


@pytest.mark.slow
@pytest.mark.parametrize("place", [STAYS, GOES])
def test_of_a_unit_whose_owner_died_the_file_is_asked(tmp_path: Path, place: str) -> None:
    async def story() -> None:
        with Process("owner", tmp_path) as first:
            assert await first.said() == "open"
            async with guest_world(tmp_path) as world:
                await world.commit(world.opened("old"), events=[event()])
                first.kill()
                with Process("owner", tmp_path, crash=f"{place}:1") as second:
                    assert await second.said() == "open"
                    await until(lambda: connected(world), "the guest finds the owner")
                    waits = [
                        asyncio.create_task(world.commit(world.opened("told"), events=[event()])),
                        asyncio.create_task(world.commit(world.opened("keyed"), key=key(b"k"))),
                        asyncio.create_task(world.commit(world.opened("silent"))),
                    ]
                    assert await second.ended() == -signal.SIGKILL
                    with Process("owner", tmp_path) as third:
                        assert await third.said() == "open"
                        told, keyed, silent = await asyncio.gather(*waits, return_exceptions=True)
                        assert isinstance(silent, UnknownOutcome), silent
                        there = [await world.find(name) is not None for name in ("told", "keyed", "silent")]
                        if place == STAYS:
                            assert (told, keyed, there) == (Committed(2), Twin(), [True] * 3)
                        else:
                            assert isinstance(told, Unavailable) and isinstance(keyed, Unavailable)
                            assert there == [False] * 3
                        assert isinstance(await world.commit(world.opened("after")), Committed)

    run(story())


@pytest.mark.slow
def test_a_unit_whose_owner_does_not_come_back_has_an_unknown_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("armature.adapters.store.hand.DOUBT_SECONDS", 0.5)

    async def story() -> None:
        with Process("owner", tmp_path) as owner:
            assert await owner.said() == "open"
            async with guest_world(tmp_path) as world:
                with frozen(owner.popen.pid):
                    wait = asyncio.create_task(world.commit(world.opened("a"), events=[event()]))
                    await asyncio.sleep(0)  # one turn of the loop: it is sent
                    await asyncio.sleep(0)
                    owner.kill()
                await raises(UnknownOutcome, wait)

    run(story())


@pytest.mark.slow
def test_a_guest_that_dies_in_its_turn_loses_it_at_once(tmp_path: Path) -> None:
    async def story() -> None:
        # Without that, everybody would wait for a minute, which the story's own patience does not allow.
        async with kept(Keeper(tmp_path, turn_seconds=60.0)), guest_world(tmp_path) as world:
            await world.account("hot")
            with Process("caller", tmp_path, "die", 1) as other:
                assert await other.said() == "open"
                other.go()
                assert await other.said() == "mine"
                assert isinstance(await world.step("hot"), Committed)
                assert await other.ended() == -signal.SIGKILL
            assert await world.find("hot") == Account("hot", 1, 2)

    run(story())


@pytest.mark.slow
def test_a_guest_that_stands_still_in_its_turn_is_passed_by_and_told_so_later(tmp_path: Path) -> None:
    async def story() -> None:
        async with kept(Keeper(tmp_path)), guest_world(tmp_path) as world:
            await world.account("hot")
            with Process("caller", tmp_path, "stop", 1) as other:
                assert await other.said() == "open"
                other.go()
                assert await other.said() == "mine"
                assert isinstance(await world.step("hot"), Committed)
                os.kill(other.popen.pid, signal.SIGCONT)
                assert "held the writer for longer than 0.25 s" in await other.said()
            assert await world.find("hot") == Account("hot", 1, 2)

    run(story())


@pytest.mark.slow
def test_an_owner_that_stands_still_refuses_what_it_keeps_in_memory_soon(tmp_path: Path) -> None:
    async def story() -> None:
        with Process("owner", tmp_path) as owner:
            assert await owner.said() == "open"
            line = Guest(tmp_path / "laws.db", tmp_path / "store.sock")
            database, cache = guest(tmp_path, line=line), StoreCache(line)
            await database.open()
            await cache.open()
            with frozen(owner.popen.pid):
                refused = await raises(Unavailable, cache.get("key", ["tag"]))
                assert "does not answer" in str(refused)
            assert (await cache.get("key", ["tag"])).value is None
            await database.close()

    run(story())


def test_a_unit_whose_caller_left_while_the_owner_was_busy_is_dropped(tmp_path: Path) -> None:
    async def story() -> None:
        async with kept(Keeper(tmp_path, turn_seconds=60.0)) as keeper, guest_world(tmp_path) as world:
            await world.account("a")
            inside, go_on = asyncio.Event(), asyncio.Event()

            async def slow(read: object) -> object:
                inside.set()
                await go_on.wait()
                raise LookupError("nothing to write")

            turn = asyncio.create_task(keeper.database.turn((), slow, _Forever()))  # type: ignore[arg-type]
            await inside.wait()
            leaving = asyncio.create_task(world.commit(world.opened("left")))
            staying = asyncio.create_task(world.commit(world.opened("stayed")))
            await world.database.reached()  # both are heard: what is said on one connection is done in its order
            leaving.cancel()
            await asyncio.wait((leaving,))
            await world.database.reached()
            go_on.set()
            await raises(LookupError, turn)
            assert isinstance(await staying, Committed)
            assert await world.find("left") is None

    run(story())


class _Forever:
    deadline = float("inf")
    gone = False
