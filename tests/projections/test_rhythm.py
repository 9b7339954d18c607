"""A role that nobody wakes finds what comes in a stream soon, and goes back to its own pace when it ends."""

import asyncio

from armature.runtime.roles.rhythm import Rhythm

LONG_SECONDS = 60.0


async def test_who_found_something_looks_again_long_before_its_usual_pause() -> None:
    again = asyncio.Event()
    found = iter([True, True])

    async def step() -> bool:
        if next(found, None):
            loop.stir()
        else:
            again.set()
        return False

    loop = Rhythm("probe", step, LONG_SECONDS)
    loop.start()
    async with asyncio.timeout(5):
        await again.wait()
    await loop.stop()


async def test_who_found_nothing_keeps_its_usual_pause() -> None:
    looks = 0
    looked = asyncio.Event()

    async def step() -> bool:
        nonlocal looks
        looks += 1
        looked.set()
        return False

    loop = Rhythm("probe", step, LONG_SECONDS)
    loop.start()
    await looked.wait()
    await loop.stop()
    assert looks == 1
