"""The limiter admits its rate, never more, and tells the truth about when it will admit again."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from armature.engine.rate import Gcra, Rate

RATES = st.builds(Rate, st.integers(1, 50), st.sampled_from([0.1, 1.0, 7.0, 60.0, 3_600.0]))
GAPS = st.lists(st.floats(0, 20), min_size=1, max_size=120)
STARTS = st.floats(0, 2e9)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/minute", Rate(10, 60.0)),
        (" 100 / Hour ", Rate(100, 3_600.0)),
        ("5/s", Rate(5, 1.0)),
        ("1000/day", Rate(1_000, 86_400.0)),
        ("10/30s", Rate(10, 30.0)),
        ("5/15m", Rate(5, 900.0)),
    ],
)
def test_a_rate_is_read_as_it_is_written(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "text", ["", "10", "/minute", "0/minute", "-1/minute", "10/fortnight", "1.5/s", "10 per minute", "10/0s", "١٠/minute"]
)
def test_a_rate_that_cannot_be_read_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(ValueError, match="accepted: '10/second'"):
        Rate.parse(text)


@given(RATES, STARTS, GAPS)
def test_no_stretch_of_time_admits_more_than_a_burst_and_its_share(rate: Rate, start: float, gaps: list[float]) -> None:
    gcra, now, admitted = Gcra(rate, keys_max=1), start, []
    for gap in gaps:
        now += gap * rate.period_seconds / rate.count / 10
        if gcra.check("a", now) == 0.0:
            admitted.append(now)
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            seconds = admitted[last] - admitted[first]
            share = rate.count * seconds / rate.period_seconds
            # Sums of floats at 2e9 are exact to a microsecond: grant that much.
            assert last - first + 1 <= rate.count + share + 1e-5 * rate.count / rate.period_seconds + 1e-6


@given(RATES, STARTS, GAPS)
@example(Rate(2, 3_600.0), 0.0, [2.064424674079234, 0.0])
def test_waiting_exactly_as_told_is_long_enough(rate: Rate, start: float, gaps: list[float]) -> None:
    gcra, now = Gcra(rate, keys_max=1), start
    for gap in gaps:
        now += gap * rate.period_seconds / rate.count / 10
        wait = gcra.check("a", now)
        if wait:
            # A wait of one step of the clock's floats has no half.
            if (half := now + wait / 2) < now + wait:
                assert gcra.check("a", half) > 0
            now += wait
            assert gcra.check("a", now) == 0.0


def test_a_refused_call_does_not_move_the_moment_of_the_next() -> None:
    gcra = Gcra(Rate(1, 60.0), keys_max=1)
    gcra.check("a", 0.0)
    assert [gcra.check("a", at) for at in (10.0, 10.0, 50.0)] == [50.0, 50.0, 10.0]


def test_a_key_that_is_full_again_leaves_before_one_that_is_not() -> None:
    gcra = Gcra(Rate(1, 60.0), keys_max=2)
    gcra.check("busy", 0.0)
    gcra.check("busy", 60.0)
    gcra.check("idle", 59.0)  # older in time, admitted at 59, still counted until 119
    gcra.check("new", 119.5)
    assert gcra.check("busy", 119.6) > 0
    assert gcra.evicted_early == 0


def test_a_flood_of_keys_never_grows_the_table() -> None:
    gcra = Gcra(Rate(1, 60.0), keys_max=100)
    for number in range(10_000):
        gcra.check(str(number), 1.0)
    assert len(gcra) == 100
    assert gcra.evicted_early == 9_900


def test_the_told_wait_is_true_even_where_the_subtraction_rounds() -> None:
    # 1 + 2**-52 minus 2**-53 lies halfway between two floats and rounds down: told as it is, it would be a hair too short.
    gcra, early = Gcra(Rate(1, 1.0 + 2.0**-52), keys_max=1), 2.0**-53
    gcra.check("a", 0.0)
    assert gcra.check("a", early + gcra.check("a", early)) == 0.0
