"""A role that nobody wakes finds what comes in a stream soon, and goes back to its own pace when it ends."""

import asyncio

import pytest

from armature.runtime.roles.rhythm import Rhythm

LONG_SECONDS = 60.0
LONGEST_SHARE = 0.025


async def test_who_found_something_looks_again_long_before_its_usual_pause() -> None:
    again = asyncio.Event()
    found = iter([True, True])

    async def step() -> bool:
        if next(found, None):
            loop.stir(1)
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


@pytest.mark.parametrize("told", [False, True])
async def test_a_step_that_did_much_is_followed_by_a_longer_pause(told: bool) -> None:
    assert await _gap_after(200, told=told) >= LONGEST_SHARE
    # A busy machine makes any pause longer, never shorter.
    assert min([await _gap_after(1, told=told) for _ in range(10)]) < LONGEST_SHARE


async def test_what_comes_long_after_a_step_that_did_much_is_not_kept_waiting() -> None:
    gaps = [await _gap_after(200, told=True, later=2 * LONGEST_SHARE) for _ in range(10)]
    assert min(gaps) < 3 * LONGEST_SHARE


async def _gap_after(done: int, *, told: bool, later: float = 0.0) -> float:
    """Return the seconds between a step that did so much and the next one, in the loop's own time."""
    clock = asyncio.get_running_loop().time
    ends: list[float] = []
    begins: list[float] = []
    again = asyncio.Event()

    async def step() -> bool:
        begins.append(clock())
        if not ends:
            loop.stir(done)
            if told:
                asyncio.get_running_loop().call_later(later, loop.wake)
        else:
            again.set()
        ends.append(clock())
        return False

    loop = Rhythm("probe", step, LONG_SECONDS, 0.001 if told else 0.0)
    loop.start()
    if told:
        loop.wake()
    async with asyncio.timeout(5):
        await again.wait()
    await loop.stop()
    return begins[1] - ends[0]
