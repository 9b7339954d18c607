"""The laws of port `cache` as tests: subclass `CacheLaws`, hand out two adapters on one store, and pytest does the rest.

An adapter with a server of its own also subclasses `CacheServerLaws`, which kills that server.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count

import pytest

from armature.conformance.signal import StoppedServer
from armature.kernel.refusals import Unavailable
from armature.ports.cache import Cache

__all__ = ["CacheLaws", "CacheServerLaws"]

_SECONDS_MAX = 20.0
_numbers = count(1)


class CacheLaws:
    """Override `make` and `forget`; `VALUE_BYTES_MAX` is the bound your cache was built with."""

    VALUE_BYTES_MAX = 10_000

    def make(self) -> tuple[Cache, Cache]:
        """Build two adapters on one store that are not yet open (one twice, if the store is one process's memory)."""
        raise NotImplementedError

    async def forget(self, cache: Cache, tag: str) -> None:
        """Make the store lose a tag, as it would under pressure, without invalidating it."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _loop(self) -> Iterator[None]:
        with asyncio.Runner() as self.runner:
            yield

    async def opened(self, stack: AsyncExitStack) -> tuple[Cache, Cache, str]:
        """Open both; the word is one that no other test has in its keys."""
        both = self.make()
        for one in both:
            await one.open()
            stack.push_async_callback(one.close)
        return *both, f"t{next(_numbers)}"

    def test_law_1_what_was_put_is_found_by_everybody(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there, word = await self.opened(stack)
                for value in (b"", b"value", bytes(range(256)), b"\n\n"):
                    missed = await here.get(word, [f"{word}:a", f"{word}:b"])
                    await here.put(word, value, 60.0, missed.ticket)
                    assert (await there.get(word, [f"{word}:a", f"{word}:b"])).value == value
                    await here.invalidate([f"{word}:a"])

        self.runner.run(story())

    def test_law_1_other_keys_and_other_tags_find_nothing(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there, word = await self.opened(stack)
                missed = await here.get(word, [f"{word}:a"])
                await here.put(word, b"value", 60.0, missed.ticket)
                assert (await there.get(f"{word}2", [f"{word}:a"])).value is None
                assert (await there.get(word, [f"{word}:b"])).value is None
                assert (await there.get(word, [f"{word}:a", f"{word}:b"])).value is None
                await here.invalidate([f"{word}:b"])
                assert (await there.get(word, [f"{word}:a"])).value == b"value"

        self.runner.run(story())

    def test_law_1_an_entry_ends_with_its_seconds(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, _, word = await self.opened(stack)
                missed = await here.get(word, [])
                await here.put(word, b"value", 0.02, missed.ticket)
                async with asyncio.timeout(_SECONDS_MAX):
                    while (await here.get(word, [])).value is not None:  # noqa: ASYNC110  (nobody announces it)
                        await asyncio.sleep(0.005)
                await here.put(word, b"value", 0.0, missed.ticket)
                assert (await here.get(word, [])).value is None

        self.runner.run(story())

    def test_law_2_what_was_invalidated_is_gone_for_everybody(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there, word = await self.opened(stack)
                for tag in (f"{word}:a", f"{word}:b"):
                    missed = await here.get(word, [f"{word}:a", f"{word}:b"])
                    await here.put(word, b"value", 60.0, missed.ticket)
                    await there.invalidate([f"{word}:none", tag])
                    assert (await here.get(word, [f"{word}:a", f"{word}:b"])).value is None
                    assert (await there.get(word, [f"{word}:a", f"{word}:b"])).value is None

        self.runner.run(story())

    def test_law_2_a_value_computed_before_the_invalidation_is_never_found(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there, word = await self.opened(stack)
                missed = await here.get(word, [f"{word}:a"])
                await there.invalidate([f"{word}:a"])
                await here.put(word, b"old", 60.0, missed.ticket)
                found = await there.get(word, [f"{word}:a"])
                assert found.value is None, "cache filled after invalidation"
                await there.put(word, b"new", 60.0, found.ticket)
                assert (await here.get(word, [f"{word}:a"])).value == b"new"
                await here.put(word, b"old", 60.0, missed.ticket)
                assert (await there.get(word, [f"{word}:a"])).value in (None, b"new")

        self.runner.run(story())

    def test_law_2_invalidating_again_and_again_never_brings_a_state_back(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there, word = await self.opened(stack)
                tickets = set()
                for _ in range(20):
                    tickets.add((await here.get(word, [f"{word}:a"])).ticket)
                    await there.invalidate([f"{word}:a"])
                assert len(tickets) == 20

        self.runner.run(story())

    def test_law_3_a_tag_the_store_has_forgotten_counts_as_invalidated(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there, word = await self.opened(stack)
                missed = await here.get(word, [f"{word}:a", f"{word}:b"])
                await here.put(word, b"value", 60.0, missed.ticket)
                await self.forget(here, f"{word}:a")
                assert (await there.get(word, [f"{word}:a", f"{word}:b"])).value is None

        self.runner.run(story())

    def test_law_4_a_value_that_is_too_long_is_not_stored(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, _, word = await self.opened(stack)
                missed = await here.get(word, [])
                await here.put(word, b"x" * (self.VALUE_BYTES_MAX + 1), 60.0, missed.ticket)
                assert (await here.get(word, [])).value is None
                await here.put(word, b"x" * self.VALUE_BYTES_MAX, 60.0, missed.ticket)
                assert (await here.get(word, [])).value is not None

        self.runner.run(story())

    def test_law_6_a_cache_that_is_not_open_refuses(self) -> None:
        async def story() -> None:
            here, _ = self.make()
            for _ in range(2):
                await here.close()
            with pytest.raises(Unavailable):
                await here.get("k", ["t"])
            with pytest.raises(Unavailable):
                await here.invalidate(["t"])

        self.runner.run(story())


class CacheServerLaws(CacheLaws):
    """For adapters with a server, one that nobody else uses."""

    def server(self) -> StoppedServer:
        """Return the server of `make`."""
        raise NotImplementedError

    def test_law_2_holds_over_a_killed_server(self) -> None:
        """A server that lost its last second must not bring back what was invalidated in it."""

        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there, word = await self.opened(stack)
                missed = await here.get(word, [f"{word}:a"])
                await here.put(word, b"value", 60.0, missed.ticket)
                assert (await there.get(word, [f"{word}:a"])).value == b"value"
                self.server().kill9()
                self.server().start()
                assert (await _again(there, word, [f"{word}:a"])) is None

        self.runner.run(story())

    def test_law_6_a_store_that_is_away_is_refused_soon(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, _, word = await self.opened(stack)
                missed = await here.get(word, [f"{word}:a"])
                self.server().kill9()
                try:
                    async with asyncio.timeout(_SECONDS_MAX):
                        with pytest.raises(Unavailable):
                            await here.get(word, [f"{word}:a"])
                        with pytest.raises(Unavailable):
                            await here.put(word, b"value", 60.0, missed.ticket)
                        with pytest.raises(Unavailable):
                            await here.invalidate([f"{word}:a"])
                finally:
                    self.server().start()
                assert await _again(here, word, []) is None

        self.runner.run(story())


async def _again(cache: Cache, key: str, tags: list[str]) -> bytes | None:
    """Ask as soon as the connection stands again."""
    async with asyncio.timeout(_SECONDS_MAX):
        while True:
            try:
                return (await cache.get(key, tags)).value
            except Unavailable:
                await asyncio.sleep(0.01)
