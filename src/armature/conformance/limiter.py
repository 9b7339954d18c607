"""The laws of port `limiter` as tests: subclass `LimiterLaws`, build your limiter, and pytest does the rest."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from armature.ports.limiter import Limiter, Rate

__all__ = ["LimiterLaws", "MovedClock"]

RATE = Rate(5, 50.0)


class MovedClock:
    """Seconds that pass when the test says so."""

    def __init__(self, now: float = 1_000.1) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class LimiterLaws:
    """Override `limiter` and `remembered`; `KEYS_MAX` is the bound your limiter was built with."""

    KEYS_MAX = 50

    def limiter(self, clock: MovedClock) -> Limiter:
        """Build the limiter under test; it reads this clock."""
        raise NotImplementedError

    def remembered(self) -> int:
        """How many keys the limiter built last holds now."""
        raise NotImplementedError

    def ask(self, limiter: Limiter) -> Callable[[str], float]:
        """A blocking `check` of the usual rate."""
        return lambda key: self.run(limiter.check(key, RATE))

    def run(self, asked: Coroutine[Any, Any, float]) -> float:
        """Wait for an answer. A limiter with connections keeps the loop it was opened in."""
        return asyncio.run(asked)

    def test_a_burst_is_admitted_and_the_call_after_it_is_not(self) -> None:
        ask = self.ask(self.limiter(MovedClock()))
        waits = [ask("a") for _ in range(RATE.count + 1)]
        assert waits[:-1] == [0.0] * RATE.count
        assert 0 < waits[-1] <= RATE.period_seconds

    def test_after_a_burst_calls_come_at_the_rate(self) -> None:
        clock = MovedClock()
        ask = self.ask(self.limiter(clock))
        admitted = 0
        for _ in range(2_000):
            admitted += ask("a") == 0.0
            clock.now += 0.5
        assert 99 <= admitted - RATE.count <= 100

    def test_waiting_exactly_as_told_is_long_enough_and_half_is_not(self) -> None:
        clock = MovedClock()
        ask = self.ask(self.limiter(clock))
        for _ in range(RATE.count):
            ask("a")
        wait, told_at = ask("a"), clock.now
        clock.now = told_at + wait / 2
        assert ask("a") > 0
        clock.now = told_at + wait
        assert ask("a") == 0.0

    def test_asking_too_often_delays_nobody(self) -> None:
        clock = MovedClock()
        ask = self.ask(self.limiter(clock))
        for _ in range(RATE.count):
            ask("a")
        assert len({ask("a") for _ in range(100)}) == 1

    def test_keys_do_not_touch_each_other(self) -> None:
        ask = self.ask(self.limiter(MovedClock()))
        for _ in range(RATE.count):
            ask("a")
        assert ask("b") == 0.0
        assert ask("a") > 0

    def test_one_key_under_two_rates_is_two_keys(self) -> None:
        limiter = self.limiter(MovedClock())
        ask = self.ask(limiter)
        for _ in range(RATE.count):
            ask("a")
        assert self.run(limiter.check("a", Rate(1, 1.0))) == 0.0

    def test_a_flood_of_keys_stays_within_the_bound(self) -> None:
        ask = self.ask(self.limiter(MovedClock()))
        for number in range(self.KEYS_MAX * 3):
            ask(f"k{number}")
        assert self.remembered() <= self.KEYS_MAX

    def test_a_key_in_use_outlives_those_that_are_full_again(self) -> None:
        clock = MovedClock()
        ask = self.ask(self.limiter(clock))
        for number in range(self.KEYS_MAX - 1):
            ask(f"idle{number}")
        clock.now += RATE.period_seconds
        for _ in range(RATE.count):
            ask("used")
        for number in range(self.KEYS_MAX - 1):
            ask(f"new{number}")
        assert ask("used") > 0
