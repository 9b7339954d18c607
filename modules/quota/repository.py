"""The SQL of quotas: this module's tables and no other's."""

from datetime import datetime
from uuid import UUID

from armature import Work, change, select
from modules.quota.contract import NoQuota, NoReservation, Quota, Reservation

BY_COUNTER = select(
    Quota,
    """
select counter_id, allowed, used, reserved, since, version
  from quota_limits
 where tenant_id = :tenant_id and counter_id = :counter_id
""",
)

# Of two callers who begin one quota, the second touches no row: its command runs again and finds the first one's.
BEGIN = change(
    """
insert into quota_limits (tenant_id, counter_id, allowed, used, reserved, since, version)
values (:tenant_id, :counter_id, :allowed, :used, :reserved, :since, :version)
    on conflict (tenant_id, counter_id) do nothing
""",
    row=("counter_id",),
)

# The one row of a quota also owns the set of its reservations: whoever changes a member moves the version, so what was decided
# on all of them was decided on what is there.
SAVE = change(
    """
update quota_limits
   set allowed = :allowed, used = :used, reserved = :reserved, version = :version
 where tenant_id = :tenant_id and counter_id = :counter_id and version = :expected
""",
    row=("counter_id",),
    cas="expected",
)

DROP = change(
    """
delete from quota_limits
 where tenant_id = :tenant_id and counter_id = :counter_id and version = :expected
""",
    row=("counter_id",),
    cas="expected",
)

RESERVATION = select(
    Reservation,
    """
select id, counter_id, amount, held, expires_at
  from quota_reservations
 where tenant_id = :tenant_id and counter_id = :counter_id and id = :reservation_id
""",
)

# Ids are UUIDv7: their order is the order in which claims were made.
AFTER = select(
    Reservation,
    """
select id, counter_id, amount, held, expires_at
  from quota_reservations
 where tenant_id = :tenant_id and counter_id = :counter_id and id > :after
 order by id
 limit :limit
""",
)

EXPIRED = select(
    Reservation,
    """
select id, counter_id, amount, held, expires_at
  from quota_reservations
 where tenant_id = :tenant_id and counter_id = :counter_id and expires_at <= :now
 order by expires_at, id
 limit :limit
""",
)

CLAIM = change(
    """
insert into quota_reservations (tenant_id, counter_id, id, amount, held, expires_at)
values (:tenant_id, :counter_id, :id, :amount, :held, :expires_at)
""",
    row=("counter_id", "id"),
)

USE = change(
    """
update quota_reservations
   set held = :held
 where tenant_id = :tenant_id and counter_id = :counter_id and id = :id
""",
    row=("counter_id", "id"),
)

END = change(
    """
delete from quota_reservations
 where tenant_id = :tenant_id and counter_id = :counter_id and id = :id
""",
    row=("counter_id", "id"),
)

END_ALL = change(
    """
delete from quota_reservations
 where tenant_id = :tenant_id and counter_id = :counter_id
""",
    rows=None,
)

FIRST = UUID(int=0)
AT_ONCE = 100
"""So many reservations one commit ends at most; what is left comes with the next one."""


class QuotaRepository:
    """Reads and plans; the unit of work decides when anything happens."""

    async def get(self, work: Work, counter_id: UUID) -> Quota:
        """Return a quota or refuse."""
        return await work.one(BY_COUNTER, counter_id=counter_id, refuse=NoQuota)

    async def maybe(self, work: Work, counter_id: UUID) -> Quota | None:
        """Return a quota, None for a counter without one."""
        return await work.maybe(BY_COUNTER, counter_id=counter_id)

    async def reservation(self, work: Work, counter_id: UUID, reservation_id: UUID) -> Reservation:
        """Return an open reservation or refuse."""
        return await work.one(RESERVATION, counter_id=counter_id, reservation_id=reservation_id, refuse=NoReservation)

    async def after(self, work: Work, counter_id: UUID, after: UUID | None, limit: int = AT_ONCE) -> list[Reservation]:
        """Return open reservations that were made after that one, the oldest first."""
        return await work.all(AFTER, counter_id=counter_id, after=after or FIRST, limit=limit)

    async def expired(self, work: Work, counter_id: UUID, now: datetime) -> list[Reservation]:
        """Return open reservations whose time is over."""
        return await work.all(EXPIRED, counter_id=counter_id, now=now, limit=AT_ONCE)

    def begin(self, work: Work, quota: Quota) -> None:
        """Plan a new row."""
        work.plan(BEGIN, quota)

    def save(self, work: Work, quota: Quota, *, expected: int) -> None:
        """Plan the row's next version."""
        work.plan(SAVE, quota, expected=expected)

    def drop(self, work: Work, quota: Quota) -> None:
        """Plan the end of a quota and of all its reservations."""
        work.plan(DROP, quota, expected=quota.version)
        work.plan(END_ALL, counter_id=quota.counter_id)

    def claim(self, work: Work, reservation: Reservation) -> None:
        """Plan a new reservation."""
        work.plan(CLAIM, reservation)

    def use(self, work: Work, reservation: Reservation) -> None:
        """Plan what a reservation still holds, or its end when that is nothing."""
        work.plan(USE if reservation.held else END, reservation)

    def end(self, work: Work, reservation: Reservation) -> None:
        """Plan the end of a reservation."""
        work.plan(END, reservation)
