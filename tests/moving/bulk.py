"""Many rows in a file that nobody serves from yet: counters with their events and answers, as the system would have left them."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import apsw

__all__ = ["fill"]

_SPACE = UUID(int=7)
_EVENTS_OF_ONE = 40
_COUNTER = "insert into counter_counters (tenant_id, id, name, note, value, version) values ('public', ?, ?, null, ?, ?)"
_EVENT = """
insert into armature_outbox (event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id,
                             actor, partition, occurred_at)
values (?, ?, 1, 'public', ?, ?, ?, ?, ?, 'developer', ?, ?)
"""
_KEY = """
insert into armature_keys (tenant_id, scope, fingerprint, outcome, refused, last_id, expires_at)
values ('public', ?, ?, ?, 0, ?, ?)
"""


def fill(file: Path, rows: int) -> int:
    """Add about `rows` rows, half of them events; return how many."""
    counters = max(1, rows // (2 * _EVENTS_OF_ONE + 1))
    with closing(apsw.Connection(str(file))) as db, db:
        for n in range(counters):
            identity = uuid5(_SPACE, f"counter {n}")
            db.execute(_COUNTER, (identity.bytes, f"bulk {n}", _EVENTS_OF_ONE - 1, _EVENTS_OF_ONE))
            db.executemany(_EVENT, list(_events(identity, n)))
        expires = time.time_ns() // 1_000 + 86_400_000_000
        keys = ((uuid5(_SPACE, str(id)).bytes, bytes(16), b'{"n":%d}' % id, id, expires) for (id,) in _ids(db))
        db.executemany(_KEY, keys)
    return counters * (2 * _EVENTS_OF_ONE + 1)


def _events(identity: UUID, n: int) -> Iterator[tuple[Any, ...]]:
    at = time.time_ns() // 1_000
    for version in range(1, _EVENTS_OF_ONE + 1):
        what = "created" if version == 1 else "changed"
        told = f'"name":"bulk {n}"' if version == 1 else f'"operation":"increment","delta":1,"value":{version - 1}'
        payload = f'{{"counter_id":"{identity}",{told},"version":{version}}}'
        attempt = f"bulk-{n}-{version}"
        event = uuid5(_SPACE, attempt).bytes
        yield event, f"counter.{what}", f"counter/{identity}", version, payload, attempt, attempt, n % 256, at


def _ids(db: apsw.Connection) -> list[tuple[int]]:
    return list(db.execute("select id from armature_outbox"))
