"""Following a stream below the edge: the signal that comes between a look and the wait is heard."""

import asyncio
from pathlib import Path

from armature.adapters.memory.signal import MemorySignal
from armature.engine.live import LiveEvents
from armature.testing.app import TestApp

ROOT = Path(__file__).parents[2]
NEVER = 3_600.0


async def test_what_is_committed_between_a_look_and_the_wait_is_not_slept_through() -> None:
    async with TestApp(ROOT) as app:
        core = app.system.core
        made = await app.call("counter.create", name="visits")
        live = LiveEvents(core.log, core.stores.signal, core.model.installation, look_seconds=NEVER)
        following = live.follow(("public", f"counter/{made.id}"), frozenset(["counter.changed"]), await live.now())
        async with asyncio.timeout(20):
            assert (await anext(following)).events == ()
            for by in (1, 2, 3):
                # The follower has looked and does not wait yet: it stands at its yield.
                await app.call("counter.increment", counter_id=made.id, by=by)
                while not (news := await anext(following)).events:
                    pass
                assert [event.stream_version for event in news.events] == [by + 1]
        await following.aclose()


async def test_without_signals_a_follower_is_late_and_misses_nothing() -> None:
    async with TestApp(ROOT) as app:
        core = app.system.core
        made = await app.call("counter.create", name="visits")
        live = LiveEvents(core.log, MemorySignal(), core.model.installation, look_seconds=0.005)
        following = live.follow(("public", f"counter/{made.id}"), frozenset(["counter.changed"]), 0)
        heard: list[int | None] = []
        async with asyncio.timeout(20):
            for _ in range(3):
                await app.call("counter.increment", counter_id=made.id, by=1)
            while len(heard) < 3:
                heard += [event.stream_version for event in (await anext(following)).events]
        assert heard == [2, 3, 4]
        await following.aclose()
