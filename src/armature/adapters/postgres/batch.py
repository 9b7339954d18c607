"""The protocol of a batch, inside a transaction that somebody else began and will commit (laws 4).

Lock and check, then keys and events, then the writes, merged where several units share a statement. Who loses the check or
is a twin is out before anything is written. One who loses later has harmed its neighbours: `Losers` names it, everything is
undone, and the others run again without it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from time import monotonic
from typing import Any

from armature.adapters.postgres.connection import LaneConnection
from armature.adapters.postgres.entry import Entry, Lookup
from armature.adapters.postgres.outbox import Told, known_keys, tell
from armature.adapters.postgres.uncertain import Written
from armature.adapters.postgres.write_plan import ChangePlan, Lock
from armature.kernel.work import UnitTooLarge
from armature.ports.database import Committed, Conflict, Twin

__all__ = ["Losers", "write_alone", "write_together"]

_statement = itemgetter(0)


class Losers(Exception):
    """These units were refused after others had written: undo, and judge them alone."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__(f"{len(entries)} units")
        self.entries = entries


async def write_together(connection: LaneConnection, entries: Sequence[Entry], trip: float) -> Written:
    """Write units that are all of mergeable statements. Whoever stays in gets `Committed`, whoever is out another verdict;
    None means that it must be judged alone. `trip` is what a round trip costs just now."""
    alive = await _lock_and_check(connection, entries)
    alive, written = await _tell(connection, alive)
    for step in range(max([len(entry.writes) for entry in alive], default=0)):
        groups: dict[ChangePlan, list[Entry]] = {}
        for entry in alive:
            if step < len(entry.writes):
                groups.setdefault(entry.shape.changes[step], []).append(entry)
        for plan, group in groups.items():
            started = monotonic()
            await _write_merged(connection, plan, group, step)
            plan.took(monotonic() - started, len(group), trip)
    return written


async def write_alone(connection: LaneConnection, entry: Entry, *, locked: bool = False, trip: float = 0.0) -> Written:
    """Write one unit of any statements, each as it stands. `locked`: its rows are ours already."""
    looked = bool(entry.shape.locks) and not (locked or entry.unsure)
    if looked and not await _lock_and_check(connection, (entry,)) and not entry.unsure:
        return Written()
    if entry.unit.events or entry.unit.key is not None:
        alive, written = await _tell(connection, (entry,))
        if not alive:
            return written
    else:
        entry.outcome, written = Committed(None), Written()
    verdict = (None if looked else await _guards(connection, entry)) or await _writes(connection, entry, written, trip)
    if verdict is not None:
        entry.outcome = verdict
    return written


async def _lock_and_check(connection: LaneConnection, entries: Sequence[Entry]) -> Sequence[Entry]:
    """Return who found all its rows as expected and free; the rest has an outcome."""
    asked: dict[Lock, list[tuple[Entry, Lookup]]] = {}
    for entry in entries:
        for lookup in entry.shape.locks:
            asked.setdefault(lookup.lock, []).append((entry, lookup))
    if not asked:
        return entries
    found: dict[tuple[int, int], list[Any]] = {}
    for lock, users in asked.items():
        rows = [lookup.values(entry) for entry, lookup in users]
        for n, place in await connection.fetch(lock.sql, *zip(*rows, strict=True)):
            entry, lookup = users[n - 1]
            found.setdefault((id(entry), lookup.number), []).append((lock.table, place))
    alive: list[Entry] = []
    written: set[Any] = set()
    for entry in entries:
        entry.outcome = _lost(entry, found, written)
        if entry.outcome is None and not entry.unsure:
            alive.append(entry)
    if len(alive) < len(entries):
        await _twins_first(connection, [entry for entry in entries if isinstance(entry.outcome, Conflict)])
    return alive


def _lost(entry: Entry, found: dict[tuple[int, int], list[Any]], written: set[Any]) -> Conflict | None:
    """Claim the rows that a unit writes, or say at which statement it lost: to the world, or to a unit before it in the batch.

    What a unit guards must not be written before it; written behind it, it still was as the unit took it to be.
    """
    writes: list[Any] = []
    for lookup in entry.shape.locks:
        places = found.get((id(entry), lookup.number), ())
        if lookup.guard:
            if not places or not written.isdisjoint(places):
                return lookup.conflict(entry)
        elif not written.isdisjoint(places) or (len(places) != lookup.rows and lookup.sure):
            return lookup.conflict(entry)
        else:
            entry.unsure = entry.unsure or len(places) != lookup.rows or any(place in writes for place in places)
            writes += places
    written.update(writes)
    return None


async def _twins_first(connection: LaneConnection, losers: Iterable[Entry]) -> None:
    """A key that exists answers Twin, whatever else the unit holds."""
    keyed = [(entry, entry.unit.key) for entry in losers if entry.unit.key is not None]
    if keyed:
        for n in await known_keys(connection, [key for _, key in keyed]):
            keyed[n][0].outcome = Twin()


async def _tell(connection: LaneConnection, entries: Sequence[Entry]) -> tuple[Sequence[Entry], Written]:
    writing = [entry for entry in entries if entry.writes or entry.unit.events or entry.unit.key is not None]
    for entry in entries:
        entry.outcome = Committed(None)
    if not writing:
        return entries, Written()
    return _outcomes(entries, writing, await tell(connection, [entry.unit for entry in writing]))


def _outcomes(entries: Sequence[Entry], writing: Sequence[Entry], told: Told) -> tuple[Sequence[Entry], Written]:
    for place, (entry, last) in enumerate(zip(writing, told.lasts, strict=True)):
        entry.outcome = Twin() if place in told.twins else Committed(last)
    alive = [entry for entry in entries if isinstance(entry.outcome, Committed)] if told.twins else entries
    return alive, Written(told.transaction, told.proof)


async def _write_merged(connection: LaneConnection, plan: ChangePlan, group: Sequence[Entry], step: int) -> None:
    rows = await connection.fetch(plan.merged, *zip(*[entry.writes[step] for entry in group], strict=True))
    if plan.key is None:
        touched = Counter([row[0] for row in rows])
        lost = [entry for n, entry in enumerate(group, 1) if touched[n] != plan.rows]
    elif len(rows) == len(group):
        return
    else:
        # Rows went in in the units' order, so of two with the same name the first one is there.
        there = Counter([tuple(row) for row in rows])
        lost = []
        for entry in group:
            key = plan.key(entry.writes[step])
            there[key] -= 1
            if there[key] < 0:
                lost.append(entry)
    if lost:
        raise Losers(lost)


async def _guards(connection: LaneConnection, entry: Entry) -> Conflict | None:
    for plan, values in zip(entry.shape.guards, entry.guards, strict=True):
        entry.failing = plan.statement
        if not await connection.fetch(plan.sql, *values):
            return Conflict(plan.statement, None)
    return None


async def _writes(connection: LaneConnection, entry: Entry, written: Written, trip: float) -> Conflict | None:
    """Run the unit's changes in their order, those of one statement that stand together in one go."""
    touched = at = 0
    limit = entry.unit.rows_max
    for plan, run in groupby(entry.shape.changes):
        values = entry.writes[at : at + len([*run])]
        entry.failing = plan.statement
        started = monotonic()
        counts, written.transaction = await _counts(connection, plan, values)
        plan.took((monotonic() - started) / len(values), 1, trip)
        if plan.rows is not None:
            for n, count in enumerate(counts, at):
                if count != plan.rows:
                    return Conflict(plan.statement, plan.row(entry.unit.writes[n][1]))
        else:
            touched += sum(counts)
            if limit is not None and touched > limit:
                raise UnitTooLarge(
                    f"{plan.statement.home}: the unit touches {touched} rows by now; at most {limit}: "
                    "split the work into a job that runs in chunks"
                )
        at += len(values)
    entry.failing = None
    return None


async def _counts(connection: LaneConnection, plan: ChangePlan, values: Sequence[Sequence[Any]]) -> tuple[list[int], str]:
    """Run one change with each of these values; return how many rows each touched, and the number of the transaction."""
    if len(values) == 1:
        count, transaction = await connection.fetchrow(plan.counted, *values[0])
        return [count], transaction
    if plan.many is not None:
        count, transaction = await connection.fetchrow(plan.many.sql, *plan.many.values(values))
        # All of them or an error, unless a trigger keeps rows out; then nobody knows which.
        return [1 if count == len(values) else 0] * len(values), transaction
    rows = await connection.fetchmany(plan.counted, values)
    return [row[0] for row in rows], rows[0][1]
