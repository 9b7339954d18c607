"""What a quota may do. Pure: values in, values out; no clock, no database."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from modules.counter.contract import Counter, CounterChanged
from modules.quota.contract import Dropped, Exceeded, LimitSet, Quota, Released, Reservation, Reserved, Settled, Usage


def begin(counter: Counter, allowed: int) -> tuple[Quota, LimitSet]:
    """Begin where the counter stands."""
    return Quota(counter.id, allowed, counter.value, 0, counter.version, 1), LimitSet(counter.id, allowed, 1)


def resize(quota: Quota, allowed: int) -> tuple[Quota, LimitSet]:
    """Move the limit; what is used and reserved stays."""
    after = replace(quota, allowed=allowed, version=quota.version + 1)
    return after, LimitSet(after.counter_id, allowed, after.version)


def left(quota: Quota) -> int:
    """Return what nobody uses or has a claim on."""
    return max(quota.allowed - quota.used - quota.reserved, 0)


def reserve(quota: Quota, reservation_id: UUID, amount: int, expires_at: datetime) -> tuple[Quota, Reservation, Reserved]:
    """Take a claim, never beyond the limit."""
    if amount > left(quota):
        raise Exceeded(counter_id=quota.counter_id, left=left(quota))
    after = replace(quota, reserved=quota.reserved + amount, version=quota.version + 1)
    reservation = Reservation(reservation_id, quota.counter_id, amount, amount, expires_at)
    return after, reservation, Reserved(quota.counter_id, reservation_id, amount, after.version)


def release(quota: Quota, reservation: Reservation) -> tuple[Quota, Released]:
    """Give back what a reservation still holds."""
    after = replace(quota, reserved=quota.reserved - reservation.held, version=quota.version + 1)
    return after, Released(quota.counter_id, reservation.id, reservation.held, after.version)


def follow(quota: Quota, waiting: Sequence[Reservation], moved: CounterChanged) -> tuple[Quota, list[Reservation], Settled]:
    """Go where the counter went. What it grew by is taken from the reservations, the oldest first; return those it touched.

    `used` is the counter's own value and no sum, so a step that nobody had reserved is in it too.
    """
    grown, touched = max(moved.delta, 0), list[Reservation]()
    for reservation in waiting:
        if not grown:
            break
        part = min(reservation.held, grown)
        grown -= part
        touched.append(replace(reservation, held=reservation.held - part))
    amount = max(moved.delta, 0) - grown
    after = replace(quota, used=moved.value, reserved=quota.reserved - amount, version=quota.version + 1)
    return after, touched, Settled(quota.counter_id, amount, after.used, after.version)


def drop(quota: Quota) -> Dropped:
    """Say farewell in a version of its own."""
    return Dropped(quota.counter_id, quota.version + 1)


def usage(quota: Quota, counter: Counter) -> Usage:
    """Show a quota beside its counter."""
    return Usage(counter.id, counter.name, counter.value, quota.allowed, quota.used, quota.reserved, left(quota))
