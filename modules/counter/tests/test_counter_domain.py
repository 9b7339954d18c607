"""What a counter may do, without a database: values in, values out."""

from uuid import UUID

import pytest
from msgspec import UNSET

from modules.counter import domain
from modules.counter.contract import Counter, Insufficient

ID, OTHER = UUID(int=1), UUID(int=2)


def counter(value: int = 0, *, version: int = 1, note: str | None = None, id: UUID = ID) -> Counter:
    return Counter(id, "visits", note, value, version)


def test_a_counter_begins_at_zero_in_its_first_version() -> None:
    made, created = domain.create(ID, "visits", None)
    assert (made.value, made.version) == (0, 1)
    assert (created.counter_id, created.version) == (ID, 1)


def test_a_step_changes_the_value_and_tells_by_how_much() -> None:
    after, changed = domain.increment(counter(5, version=3), 2)
    assert (after.value, after.version) == (7, 4)
    assert (changed.operation, changed.delta, changed.value, changed.version) == ("increment", 2, 7, 4)


def test_a_counter_can_be_emptied_but_not_overdrawn() -> None:
    assert domain.decrement(counter(5), 5)[0].value == 0
    with pytest.raises(Insufficient) as refused:
        domain.decrement(counter(5), 6)
    assert refused.value.value == 5


def test_a_reset_tells_what_it_took_away() -> None:
    after, changed = domain.reset(counter(5))
    assert (after.value, changed.delta) == (0, -5)


def test_a_transfer_keeps_the_sum() -> None:
    (giver, given), (taker, taken) = domain.transfer(counter(5), counter(1, id=OTHER), 4)
    assert (giver.value, taker.value) == (1, 5)
    assert given.delta + taken.delta == 0


def test_a_transfer_of_more_than_there_is_moves_nothing() -> None:
    with pytest.raises(Insufficient):
        domain.transfer(counter(3), counter(0, id=OTHER), 4)


def test_an_edit_keeps_what_is_not_given_and_clears_what_is_null() -> None:
    kept, _ = domain.edit(counter(note="old"), "new", UNSET)
    assert (kept.name, kept.note) == ("new", "old")
    cleared, changed = domain.edit(counter(note="old"), UNSET, None)
    assert (cleared.name, cleared.note, changed.delta) == ("visits", None, 0)


def test_a_deletion_is_a_version_of_its_own() -> None:
    assert domain.delete(counter(5, version=3)).version == 4
