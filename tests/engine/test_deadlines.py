"""One sweep ends what is late or unwanted, and never what was handed over."""

import asyncio
from datetime import UTC, datetime
from time import monotonic
from uuid import uuid4

import pytest

from armature.engine.call import NOBODY, Call, Sources
from armature.engine.cursors import Cursors
from armature.engine.deadlines import Deadlines, ended
from armature.kernel.refusals import DeadlineExceeded

SOURCES = Sources(lambda: datetime.now(UTC), uuid4, Cursors(b"k" * 32))


class Left:
    """Somebody who has hung up."""

    gone = True


def made(seconds: float, phase: str = "decide", *, in_hand: bool = False) -> Call:
    call = Call(SOURCES, "public", NOBODY, "test", monotonic() + seconds)
    call.phase, call.in_hand = phase, in_hand
    return call


async def watched(deadlines: Deadlines, call: Call, until: asyncio.Event) -> str:
    deadlines.enter(call)
    try:
        await until.wait()
        return "finished"
    except asyncio.CancelledError:
        if call.phase != "expired":
            raise
        raise ended(call) from None
    finally:
        deadlines.leave(call)


async def ended_at_least(deadlines: Deadlines, count: int) -> None:
    while deadlines.expired < count:  # noqa: ASYNC110 - what is watched tells nobody, on purpose
        await asyncio.sleep(0.005)


async def swept(*calls: Call, let_go: int = 0) -> list[str]:
    """Watch the calls until `let_go` of them were ended, then let the others finish."""
    deadlines, go_on = Deadlines(sweep_seconds=0.005), asyncio.Event()
    deadlines.start()
    tasks = [asyncio.create_task(watched(deadlines, call, go_on)) for call in calls]
    await ended_at_least(deadlines, let_go)
    # Somebody who is late by now shows that a sweep has passed over the others once more.
    tasks.append(asyncio.create_task(watched(deadlines, made(-1), go_on)))
    await ended_at_least(deadlines, let_go + 1)
    go_on.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    deadlines.stop()
    assert not deadlines.running
    return [one if isinstance(one, str) else type(one).__name__ for one in told[:-1]]


async def test_only_the_late_are_ended() -> None:
    assert await swept(made(60), made(0.01), made(60), let_go=1) == ["finished", "DeadlineExceeded", "finished"]


async def test_what_the_database_has_in_hand_waits_for_its_verdict_however_late() -> None:
    assert await swept(made(-1, "commit", in_hand=True), made(-1), let_go=1) == ["finished", "DeadlineExceeded"]


async def test_what_was_handed_over_and_is_in_nobodys_hand_is_ended() -> None:
    assert await swept(made(-1, "commit"), made(60, "commit"), let_go=1) == ["DeadlineExceeded", "finished"]


async def test_whoever_decides_again_is_ended_though_it_was_in_hand() -> None:
    assert await swept(made(-1, "decide", in_hand=True), made(60), let_go=1) == ["DeadlineExceeded", "finished"]


async def test_whoever_hung_up_is_ended_unless_it_is_in_hand() -> None:
    before, after = made(60), made(60, "commit", in_hand=True)
    before.caller = after.caller = Left()
    assert await swept(before, after, let_go=1) == ["DeadlineExceeded", "finished"]


async def test_somebody_elses_cancellation_stays_one() -> None:
    deadlines = Deadlines()
    task = asyncio.create_task(watched(deadlines, made(60), asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not deadlines.running


async def test_a_task_goes_on_after_its_call_was_ended() -> None:
    deadlines = Deadlines(sweep_seconds=0.005)
    deadlines.start()
    with pytest.raises(DeadlineExceeded):
        await watched(deadlines, made(-1), asyncio.Event())
    assert await watched_at_once() == "finished"
    deadlines.stop()


async def watched_at_once() -> str:
    go_on = asyncio.Event()
    go_on.set()
    return await watched(Deadlines(), made(60), go_on)
