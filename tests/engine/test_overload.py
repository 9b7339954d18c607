"""Too many callers: turns are never lost, never doubled, and never given to somebody who can no longer use them."""

import asyncio
import heapq
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from armature.engine import overload
from armature.engine.overload import Overloaded, OverloadGuard

FOR_EVER = float("inf")


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


def guard_of(running: int, waiting: int, clock: Clock | None = None) -> OverloadGuard:
    return OverloadGuard(running_max=running, waiting_max=waiting, clock=clock or Clock())


def scenario(story: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(story())

    run.__name__ = story.__name__
    return run


@scenario
async def test_turns_are_served_first_come_first_served() -> None:
    guard, order = guard_of(1, 10), []
    assert guard.try_enter()

    async def caller(name: int) -> None:
        await guard.wait(FOR_EVER)
        order.append(name)
        guard.leave()

    callers = [asyncio.create_task(caller(name)) for name in range(10)]
    await settle()
    assert order == [] and guard.waiting == 10
    guard.leave()
    await asyncio.gather(*callers)
    assert order == list(range(10))
    assert guard.running == 0


@scenario
async def test_one_more_than_may_wait_is_refused_at_once() -> None:
    guard = guard_of(1, 1)
    guard.try_enter()
    waiting = asyncio.create_task(guard.wait(FOR_EVER))
    await settle()
    with pytest.raises(Overloaded, match="full") as refused:
        await guard.wait(FOR_EVER)
    assert refused.value.retry_after > 0
    guard.leave()
    await waiting
    assert guard.refused == 1


@scenario
async def test_a_newcomer_never_passes_those_who_wait() -> None:
    guard = guard_of(1, 1)
    guard.try_enter()
    first = asyncio.create_task(guard.wait(FOR_EVER))
    await settle()
    guard.leave()
    assert not guard.try_enter()
    await first


@scenario
async def test_a_waiter_whose_deadline_passes_leaves_the_queue() -> None:
    guard = OverloadGuard(running_max=1, waiting_max=1)
    guard.try_enter()
    deadline = guard._clock() + 0.01
    with pytest.raises(Overloaded, match="deadline"):
        await guard.wait(deadline)
    assert guard.waiting == 0
    guard.leave()
    assert guard.try_enter()


@scenario
async def test_a_deadline_that_has_passed_is_refused_without_a_wait() -> None:
    guard, clock = guard_of(1, 1, clock := Clock()), clock
    guard.try_enter()
    clock.now = 5.0
    with pytest.raises(Overloaded, match="deadline"):
        await guard.wait(4.0)


@scenario
async def test_a_caller_who_goes_away_while_waiting_takes_no_turn_along() -> None:
    guard = guard_of(1, 2)
    guard.try_enter()
    gone, stays = asyncio.create_task(guard.wait(FOR_EVER)), asyncio.create_task(guard.wait(FOR_EVER))
    await settle()
    gone.cancel()
    guard.leave()  # before the cancelled task has run
    await asyncio.wait_for(stays, 5)
    assert guard.running == 1 and guard.waiting == 0


@scenario
async def test_a_caller_who_goes_away_as_the_turn_arrives_hands_it_on() -> None:
    guard = guard_of(1, 2)
    guard.try_enter()
    gone, stays = asyncio.create_task(guard.wait(FOR_EVER)), asyncio.create_task(guard.wait(FOR_EVER))
    await settle()
    guard.leave()
    gone.cancel()
    await asyncio.wait_for(stays, 5)
    assert guard.running == 1 and guard.waiting == 0
    guard.leave()
    assert guard.running == 0


@scenario
async def test_a_turn_given_back_twice_is_a_bug_that_is_named() -> None:
    guard = guard_of(1, 1)
    guard.try_enter()
    guard.leave()
    with pytest.raises(RuntimeError, match="once for each turn"):
        guard.leave()


@scenario
async def test_turns_survive_a_storm_of_cancellations() -> None:
    guard, chance = guard_of(3, 20), random.Random(7)
    peak = 0

    async def caller() -> None:
        nonlocal peak
        if not guard.try_enter():
            await guard.wait(FOR_EVER)
        try:
            peak = max(peak, guard.running)
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        finally:
            guard.leave()

    callers: list[asyncio.Task[None]] = []
    for _ in range(2_000):
        callers.append(asyncio.create_task(caller()))
        if chance.random() < 0.4:
            chance.choice(callers).cancel()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    ends = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(end) for end in ends} == {type(None), Overloaded, asyncio.CancelledError}
    assert (guard.running, guard.waiting, peak) == (0, 0, 3)


def goodput(guard_made: Callable[[Callable[[], float]], OverloadGuard], load: float) -> float:
    """The share of the capacity that was answered in time, in 3 000 virtual seconds: 4 turns, 10 s of work, 50 s of patience.

    Long virtual seconds, because the guard's own alarm is real: 50 real seconds never pass in here.
    """
    clock, good = Clock(), 0
    guard = guard_made(clock)
    events: list[tuple[float, int, Callable[[], Awaitable[None] | None]]] = []
    chance, number = random.Random(3), iter(range(10**9))

    def at(moment: float, act: Callable[[], None]) -> None:
        heapq.heappush(events, (moment, next(number), act))

    async def call(deadline: float) -> None:
        try:
            if not guard.try_enter():
                await guard.wait(deadline)
        except Overloaded:
            return
        at(clock.now + chance.uniform(5.0, 15.0), lambda: finish(deadline))

    def finish(deadline: float) -> None:
        nonlocal good
        good += clock.now <= deadline
        guard.leave()

    async def run() -> None:
        tasks = []
        moment = 0.0
        while moment < 3_000.0:
            moment += chance.expovariate(0.4 * load)
            at(moment, lambda: tasks.append(asyncio.create_task(call(clock.now + 50.0))))
        while events:
            clock.now, _, act = heapq.heappop(events)
            act()
            await settle()
        await asyncio.gather(*tasks)

    asyncio.run(run())
    return good / (0.4 * 3_000.0)


def test_goodput_holds_at_twice_the_capacity() -> None:
    assert goodput(lambda clock: OverloadGuard(running_max=4, waiting_max=512, clock=clock), 2.0) > 0.8


def test_without_a_look_at_the_deadline_goodput_would_collapse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shows that the figure above is the guard's doing: a pace of zero switches both looks off."""
    monkeypatch.setattr(overload, "_WEIGHT", 0.0)

    class Blind(OverloadGuard):
        def _hand_over(self) -> None:
            self._handed_at = None
            super()._hand_over()

    assert goodput(lambda clock: Blind(running_max=4, waiting_max=512, clock=clock), 2.0) < 0.4
