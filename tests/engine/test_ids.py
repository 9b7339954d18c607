"""Ids sort by the time they were made, whatever the clock does."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from armature.engine.ids import IdSource, request_ids


@given(st.lists(st.integers(0, 2**60), min_size=1, max_size=50), st.integers())
def test_each_id_is_greater_than_all_before_it_whatever_the_clock_says(times: list[int], seed: int) -> None:
    clock = iter(times)
    source = IdSource(lambda: next(clock), seed)
    made = [source.new() for _ in times]
    assert made == sorted(set(made))
    assert all(one.version == 7 and one.variant == UUID(int=2 << 62).variant for one in made)


def test_an_id_tells_its_millisecond() -> None:
    source = IdSource(lambda: 1_700_000_000_123_456_789)
    assert source.new().int >> 80 == 1_700_000_000_123


def test_two_processes_at_one_moment_make_different_ids() -> None:
    one, other = (IdSource(lambda: 1_700_000_000_000_000_000) for _ in range(2))
    assert {one.new() for _ in range(1_000)}.isdisjoint(other.new() for _ in range(1_000))


def test_request_ids_never_repeat_and_differ_between_sources() -> None:
    one, other = request_ids(), request_ids()
    made = [one() for _ in range(100)] + [other() for _ in range(100)]
    assert len(set(made)) == 200
    assert all(8 <= len(each) <= 64 and each.isascii() for each in made)
