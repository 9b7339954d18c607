"""What a PostgreSQL holds of a system of counters, as the judges read it: by psql, in one statement and so as one moment."""

import msgspec
from msgspec import Struct

from armature.testing.judges import Durable, Told
from armature.testing.servers import LocalPostgres

__all__ = ["read_postgres"]

_READ = """
select json_build_object(
    'counters', (select coalesce(json_object_agg(id, json_build_array(value, version)), '{{}}') from {table}),
    'keys', (select coalesce(json_agg(last_id), '[]') from armature_keys where not refused),
    'log', (select coalesce(json_agg(json_build_object(
                'id', id, 'position', coalesce(position, 0), 'event_id', event_id, 'stream', stream,
                'version', stream_version, 'payload', payload, 'attempt', correlation_id) order by position nulls last, id), '[]')
              from armature_outbox))
"""


class _Row(Struct):
    id: int
    position: int
    event_id: str
    stream: str
    version: int
    payload: str
    attempt: str


class _Moved(Struct):
    value: int = 0
    delta: int = 0


class _Stored(Struct):
    counters: dict[str, tuple[int, int]]
    log: list[_Row]
    keys: list[int]


def read_postgres(server: LocalPostgres, database: str, *, table: str = "counter_counters") -> Durable:
    """Return the counters, the keys and the log; events that have no position yet come last, with position 0."""
    stored = msgspec.json.decode(server.sql(_READ.format(table=table), database), type=_Stored)
    return Durable({_hex(name): found for name, found in stored.counters.items()}, list(map(_told, stored.log)), stored.keys)


def _told(row: _Row) -> Told:
    moved = msgspec.json.decode(row.payload, type=_Moved)
    stream = _hex(row.stream.partition("/")[2])
    event_id = bytes.fromhex(_hex(row.event_id))
    return Told(row.position, event_id, stream, row.version, moved.value, moved.delta, row.attempt, row.id)


def _hex(name: str) -> str:
    return name.replace("-", "")
