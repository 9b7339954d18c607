"""What the owner keeps in its memory, over its own end: a listener goes on and says what it may have missed; answers do not."""

import asyncio
from pathlib import Path

from armature.adapters.store.cache import StoreCache
from armature.adapters.store.guest import Guest
from armature.adapters.store.limiter import StoreLimiter
from armature.adapters.store.signal import StoreSignal
from armature.conformance.database_world import raises, run
from armature.kernel.refusals import Unavailable
from armature.ports.limiter import Rate

from .pair import Keeper, guest
from .world import kept, until


def test_an_answer_computed_before_the_owner_ended_is_not_found_in_its_next_life(tmp_path: Path) -> None:
    async def story() -> None:
        line = Guest(tmp_path / "laws.db", tmp_path / "store.sock")
        database, cache = guest(tmp_path, line=line), StoreCache(line)
        async with kept(Keeper(tmp_path)):
            await database.open()
            await cache.open()
            missed = await cache.get("key", ["tag"])
        refused = await raises(Unavailable, cache.get("key", ["tag"]))
        assert "store" in str(refused)
        async with kept(Keeper(tmp_path)):
            await until(lambda: line.up, "the guest finds the owner")
            assert (await cache.get("key", ["tag"])).value is None
            # The states of tags are numbers, and the new life gives the same ones again.
            await cache.put("key", b"of before", 60.0, missed.ticket)
            assert (await cache.get("key", ["tag"])).value is None
            await cache.close()
            await database.close()

    run(story())


def test_a_listener_hears_the_owners_next_life_and_says_that_it_may_have_missed_something(tmp_path: Path) -> None:
    async def story() -> None:
        line = Guest(tmp_path / "laws.db", tmp_path / "store.sock")
        database, signal = guest(tmp_path, line=line), StoreSignal(line)
        async with kept(Keeper(tmp_path)) as first:
            await database.open()
            await signal.open()
            listener = await signal.listen("law.subject")
            await first.signal.send("law.subject", b"one")
            assert await listener.next(20.0) == b"one"
        await raises(Unavailable, signal.send("law.subject"))
        async with kept(Keeper(tmp_path)):
            await until(lambda: line.up, "the guest finds the owner")
            assert listener.lost == 1
            await line.reached()  # after what was said when the line came up: the listener is there again
            await signal.send("law.subject", b"two")
            assert await listener.next(20.0) == b"two"
            await signal.close()
            await database.close()

    run(story())


def test_a_rate_is_counted_once_for_all_guests(tmp_path: Path) -> None:
    async def story() -> None:
        async with kept(Keeper(tmp_path)):
            lines = [Guest(tmp_path / "laws.db", tmp_path / "store.sock") for _ in range(3)]
            databases = [guest(tmp_path, line=line) for line in lines]
            await asyncio.gather(*(database.open() for database in databases))
            rate = Rate(6, 86_400.0)
            waits = [await StoreLimiter(line).check("key", rate) for line in lines * 3]
            assert [wait == 0.0 for wait in waits] == [True] * 6 + [False] * 3
            await asyncio.gather(*(database.close() for database in databases))

    run(story())
