"""What a quota may do, without a database: values in, values out."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from modules.counter.contract import Counter, CounterChanged
from modules.quota import domain
from modules.quota.contract import Exceeded, Quota, Reservation

ID, OTHER = UUID(int=1), UUID(int=2)
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def quota(allowed: int = 10, *, used: int = 0, reserved: int = 0) -> Quota:
    return Quota(ID, allowed, used, reserved, 1, 1)


def held(amount: int, id: UUID = OTHER) -> Reservation:
    return Reservation(id, ID, amount, amount, LATER)


def moved(delta: int, value: int) -> CounterChanged:
    return CounterChanged(ID, "increment" if delta > 0 else "decrement", delta, value, 2)


def test_a_quota_begins_where_its_counter_stands() -> None:
    begun, told = domain.begin(Counter(ID, "visits", None, 7, 3), 10)
    assert (begun.used, begun.reserved, begun.since, begun.version) == (7, 0, 3, 1)
    assert (told.allowed, told.version) == (10, 1)


def test_what_is_left_can_be_reserved_to_the_last_and_not_beyond() -> None:
    after, reservation, told = domain.reserve(quota(used=3, reserved=2), OTHER, 5, LATER)
    assert (after.reserved, after.version, reservation.held, told.amount) == (7, 2, 5, 5)
    with pytest.raises(Exceeded) as refused:
        domain.reserve(after, OTHER, 1, LATER)
    assert refused.value.left == 0


def test_a_limit_below_what_is_used_leaves_nothing_and_takes_nothing() -> None:
    after, _ = domain.resize(quota(used=8, reserved=1), 5)
    assert (after.used, after.reserved, domain.left(after)) == (8, 1, 0)


def test_a_released_reservation_gives_back_what_it_still_holds() -> None:
    after, told = domain.release(quota(reserved=5), Reservation(OTHER, ID, 5, 2, LATER))
    assert (after.reserved, told.amount) == (3, 2)


def test_growth_uses_the_oldest_reservations_up_first() -> None:
    after, touched, told = domain.follow(quota(reserved=9), [held(4), held(5)], moved(6, 6))
    assert [one.held for one in touched] == [0, 3]
    assert (after.used, after.reserved, told.amount) == (6, 3, 6)


def test_growth_that_nobody_had_reserved_is_used_all_the_same() -> None:
    after, touched, told = domain.follow(quota(used=1, reserved=2), [held(2)], moved(5, 6))
    assert [one.held for one in touched] == [0]
    assert (after.used, after.reserved, told.amount) == (6, 0, 2)


def test_a_counter_that_goes_down_makes_room_and_touches_no_reservation() -> None:
    after, touched, told = domain.follow(quota(used=6, reserved=4), [held(4)], moved(-6, 0))
    assert (after.used, after.reserved, touched, told.amount) == (0, 4, [], 0)
    assert domain.left(after) == 6
