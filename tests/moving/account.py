"""The count after a move: the file as it was sealed, the new database, the outside history and the read models, side by side."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from armature.testing.answer import Response
from armature.testing.history import Happened, read_history, verdicts
from tests.moving.callers import KEPT
from tests.moving.installation import Installation

__all__ = ["contradictions", "doubled", "lost", "missing_rows", "replayed", "same", "stale_lines"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOADERS = {
    "uuid": lambda value: UUID(bytes=value),
    "timestamp with time zone": lambda value: _EPOCH + timedelta(microseconds=value),
    "boolean": bool,
}


def lost(there: Installation) -> list[str]:
    """Return the keys of acknowledged writes that are not in the new database."""
    history = read_history(there.history)
    told = {intent for intent, what in verdicts(history).items() if what == "ok"}
    return sorted(told - set(_stored(there, history)))


def doubled(there: Installation) -> list[str]:
    """Return the keys that had their effect more than once."""
    history = read_history(there.history)
    return sorted(key for key, times in Counter(_stored(there, history)).items() if times > 1)


def _stored(there: Installation, history: list[Happened]) -> list[str]:
    key_of = {line.attempt: line.key or "" for line in history}
    return [key_of[attempt] for (attempt,) in there.there("select correlation_id from armature_outbox") if attempt in key_of]


def missing_rows(there: Installation) -> list[str]:
    """Return what the sealed file holds and the new database does not: events under their ids and positions, and answers."""
    faults = []
    for table in ("armature_outbox", "armature_keys"):
        kinds = dict(there.there(f"select column_name, data_type from information_schema.columns where table_name = '{table}'"))
        names = [name for name in kinds if name != "position"]
        sql = f"select {', '.join(names)} from {table}"
        here, known = there.here(sql), set(there.there(sql))
        loads = [_LOADERS.get(kinds[name]) for name in names]
        gone = [row for row in here if _loaded(row, loads) not in known]
        if gone or not here:
            faults.append(f"{table}: {len(gone)} of {len(here)} rows are not there as they were, the first is {gone[:1]}")
    ((moved,),) = there.there("select count(*) from armature_outbox where position <> id and id <= " + _last(there))
    return [*faults, f"{moved} events changed their position"] if moved else faults


def _last(there: Installation) -> str:
    return str(there.here("select max(id) from armature_outbox")[0][0])


def _loaded(row: tuple[Any, ...], loads: list[Any]) -> tuple[Any, ...]:
    return tuple([load(value) if load and value is not None else value for value, load in zip(row, loads, strict=True)])


def contradictions(there: Installation) -> list[str]:
    """Return where log and rows of the new database cannot both be true."""
    faults = []
    for what, sql in _CONTRADICTIONS.items():
        ((count,),) = there.there(sql)
        if count:
            faults.append(f"{count} {what}")
    return faults


_CONTRADICTIONS = {
    "positions are missing or come twice": "select abs(max(position) - count(*)) + count(*) - count(distinct position) "
    "from armature_outbox",
    "streams have a hole": "select count(*) from (select 1 from armature_outbox group by tenant_id, stream "
    "having max(stream_version) <> count(*)) s",
    "events are out of their stream's order": "select count(*) from (select stream_version - "
    "row_number() over (partition by tenant_id, stream order by position) as off from armature_outbox) s where off <> 0",
    "counters do not stand where their events lead": "select count(*) from counter_counters c left join (select stream, "
    "max(stream_version) as version, sum(coalesce((payload::json ->> 'delta')::bigint, 0)) as value from armature_outbox "
    "group by stream) e on e.stream = 'counter/' || c.id where c.value is distinct from e.value or c.version <> e.version",
}


def stale_lines(there: Installation) -> int:
    """Return how many lines of the counters' history, as the new system built it, differ from what the log says."""
    ((history,),) = there.there(_NEWEST)
    ((count,),) = there.there(_DIFFERING.format(history=history))
    return int(count)


_NEWEST = r"select relname from pg_class where relkind = 'r' and relname ~ '^counter_history__\d+$' order by relname desc limit 1"
_DIFFERING = """
select count(*)
  from (select * from armature_outbox where type <> 'counter.deleted') o
  full join {history} h on 'counter/' || h.counter_id = o.stream and h.version = o.stream_version and h.tenant_id = o.tenant_id
 where h.version is null or o.id is null or h.value <> coalesce((o.payload::json ->> 'value')::bigint, 0)
"""


def replayed(there: Installation, count: int) -> list[tuple[Happened, Response]]:
    """Ask the new system with keys that the old one had answered; return what was told then and what is told now."""
    last = int(_last(there))
    before = {attempt for (attempt,) in there.here(f"select correlation_id from armature_outbox where id > {last - 4 * count}")}
    old = [line for line in read_history(there.history) if line.what == "ok" and line.attempt in before][-count:]
    return [(line, there.new.post(line.path, json={"by": line.by}, headers={"idempotency-key": line.key or ""})) for line in old]


def same(line: Happened, answer: Response) -> bool:
    """Whether an answer repeats what was told, and says that it does."""
    kept = {name: answer.headers[name] for name in KEPT if name in answer.headers}
    repeated = answer.headers.get("idempotent-replayed") == "true"
    return repeated and (answer.status, kept, answer.body.decode()) == (line.status, line.headers, line.body)
