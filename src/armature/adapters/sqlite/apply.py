"""One unit on the writer's connection, inside a transaction that somebody else began and will commit.

The order inside a unit is what keeps batches cheap: key, guards and the first compare come before anything is
written, so a unit that loses there has nothing to undo and its neighbours need no replay.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

import apsw

from armature.adapters.sqlite.fence import Fenced
from armature.adapters.sqlite.in_rows import ROWS
from armature.adapters.sqlite.plan import Plan
from armature.adapters.sqlite.trouble import constraint_name
from armature.adapters.sqlite.values import micros
from armature.kernel.statement import Statement
from armature.kernel.work import UnitTooLarge
from armature.ports.database import Bound, Committed, Conflict, EventRow, KeyRow, Row, Twin, Unit, Verdict, Violated

__all__ = ["Applier", "Plans"]

_KNOWN = "select 1 from armature_keys where tenant_id = ? and scope = ? and expires_at > ?"
_KEEP = """
insert into armature_keys (tenant_id, scope, fingerprint, outcome, refused, last_id, expires_at)
values (?, ?, ?, ?, ?, ?, ?)
    on conflict (tenant_id, scope) do update
   set fingerprint = excluded.fingerprint, outcome = excluded.outcome, refused = excluded.refused,
       last_id = excluded.last_id, expires_at = excluded.expires_at
"""
"""Takes over the row of an answer that has expired; one that has not was found by `_KNOWN` in the same transaction."""

_TELL = """
insert into armature_outbox (event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id,
                             trace, actor, subject, partition, occurred_at)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SILENT = Committed(None)


class Plans(dict[Statement, Plan]):
    """The compiled statements by the constants that declare them."""

    def __missing__(self, statement: Statement) -> Plan:
        raise LookupError(f"{statement.home}: this statement was never bound; name it to `bind` at start")

    def in_rows(self, writes: Sequence[Bound]) -> Iterator[tuple[Plan, tuple[Any, ...]]]:
        """Give changes in their order, `ROWS` of one insert that follow each other as one."""
        for statement, run in groupby(writes, itemgetter(0)):
            plan, rows = self[statement], [values for _, values in run]
            many, at = plan.many, 0
            while many is not None and len(rows) - at >= ROWS:
                yield many, tuple(chain.from_iterable(rows[at : at + ROWS]))
                at += ROWS
            for values in rows[at:]:
                yield plan, values


class Applier:
    """Judges and applies units. Synchronous: whoever calls decides on which thread."""

    def __init__(self, db: apsw.Connection, plans: Plans) -> None:
        self.db = db
        self.cursor = db.cursor()
        self.plans = plans
        self._fenced = Fenced()

    def apply(self, unit: Unit, *, one_by_one: bool = False) -> Verdict:
        """Apply a unit as far as it goes. After anything but Committed the caller undoes what was written.

        `one_by_one` is how a unit is judged again: of rows that were inserted at once, a conflict names the first for all.
        """
        if unit.key is not None and self._known(unit.key):
            return Twin()
        for statement, values in unit.guards:
            plan = self.plans[statement]
            if not self.cursor.execute(plan.sql, plan.encode(values)).fetchall():
                return Conflict(statement, None)
        failing: Statement | None = None
        touched = 0
        execute, changes, plans = self.cursor.execute, self.db.changes, self.plans
        many = len(unit.writes) >= ROWS and not one_by_one
        try:
            writes = plans.in_rows(unit.writes) if many else [(plans[one], values) for one, values in unit.writes]
            for plan, values in writes:
                failing = plan.statement
                execute(plan.sql, plan.encode(values))
                if plan.rows is None:
                    touched += changes()
                    if unit.rows_max is not None and touched > unit.rows_max:
                        raise UnitTooLarge(
                            f"{failing.home}: the unit touches {touched} rows by now; at most {unit.rows_max}: "
                            "split the work into a job that runs in chunks"
                        )
                elif changes() != plan.rows:
                    return Conflict(failing, _row(plan, values))
            failing = None
            last = self._tell(unit.events) if unit.events else None
            if unit.key is not None:
                self._keep(unit.key, last)
        except apsw.ConstraintError as refused:
            self._fenced.refuse(self.db, refused)
            return Violated(constraint_name(self.db, refused), failing)
        return _SILENT if last is None else Committed(last)

    def alone(self, unit: Unit) -> Verdict:
        """Apply a unit so that its failure undoes itself and nothing else; a bug in it is raised after that."""
        self.cursor.execute("savepoint unit")
        verdict: Verdict | None = None
        try:
            verdict = self.apply(unit, one_by_one=True)
        finally:
            # A full disk may have ended the transaction, and the savepoint with it.
            if self.db.in_transaction:
                if not isinstance(verdict, Committed):
                    self.cursor.execute("rollback to unit")
                self.cursor.execute("release unit")
        return verdict

    def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        """Read through the writer's connection: everything before this moment, committed or not."""
        return [self.plans[statement].fetch(self.cursor, values) for statement, values in asks]

    def _known(self, key: KeyRow) -> bool:
        return bool(self.cursor.execute(_KNOWN, (key.tenant_id, key.scope, micros(key.asked_at))).fetchall())

    def _keep(self, key: KeyRow, last: int | None) -> None:
        expires = micros(key.expires_at)
        values = (key.tenant_id, key.scope, key.fingerprint, key.outcome, int(key.refused), last, expires)
        self.cursor.execute(_KEEP, values)

    def _tell(self, events: Sequence[EventRow]) -> int:
        self.cursor.executemany(_TELL, [_event(event) for event in events])
        return self.db.last_insert_rowid()


def _event(event: EventRow) -> tuple[Any, ...]:
    return (
        event.event_id.bytes,
        event.type,
        event.schema,
        event.tenant_id,
        event.stream,
        event.stream_version,
        event.payload.decode(),
        event.correlation_id,
        event.causation_id,
        event.trace,
        event.actor,
        event.subject,
        event.partition,
        micros(event.occurred_at),
    )


def _row(plan: Plan, values: Sequence[Any]) -> Row | None:
    if not plan.row:
        return None
    (table,) = plan.statement.writes
    return table, tuple(values[index] for index in plan.row)
