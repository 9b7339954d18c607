"""The limit for a projection rebuild: one loop for each of two tables that reads the log, decodes, applies and checkpoints.

A loop each, because that is what a rebuild of one read model is; one loop for both would save a decoding.

Run: python -m bench.limits.rebuild FOLDER EVENTS   (fills FOLDER once; prints one line of JSON per call)
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec

from bench.limits.store import Changed, connect, new_id

__all__ = ["fill", "rebuild"]

BATCH = 1_000  # as many as ours folds in one commit of a rebuild
COUNTERS = 1_000
SEED = 7
TABLES = """
drop table if exists counter_history;
drop table if exists counter_totals;
drop table if exists checkpoint;
create table counter_history (
    tenant_id text, counter_id blob, version integer, operation text, value integer, occurred_at integer,
    primary key (tenant_id, counter_id, version)
) strict, without rowid;
create table counter_totals (tenant_id text primary key, steps integer, moved integer) strict, without rowid;
create table checkpoint (name text primary key, position integer) strict, without rowid;
insert into checkpoint values ('counter', 0);
"""
READ = "select id, tenant_id, payload, occurred_at from outbox where id > ? order by id limit ?"
HISTORY = "insert into counter_history values (?, ?, ?, ?, ?, ?)"
TOTALS = """insert into counter_totals values (?, ?, ?)
 on conflict (tenant_id) do update set steps = steps + excluded.steps, moved = moved + excluded.moved"""
CHECKPOINT = "update checkpoint set position = ? where name = 'counter'"
DECODE = msgspec.json.Decoder(Changed).decode
FILL = """insert into outbox (event_id, type, schema, tenant_id, stream, stream_version, payload, actor, partition,
 occurred_at) values (randomblob(16), 'counter.changed', 1, 'public', ?, ?, ?, 'developer', ?, 0)"""


def fill(path: Path, events: int) -> None:
    """Write the log of `events` increments, each of any of a thousand counters: as the load leaves it in ours."""
    ids = [str(new_id()) for _ in range(COUNTERS)]
    versions = dict.fromkeys(ids, 1)
    pick = random.Random(SEED).choice
    encode = msgspec.json.Encoder().encode
    with connect(path) as db:
        for n in range(events):
            id_ = pick(ids)
            version = versions[id_] = versions[id_] + 1
            payload = encode(Changed(id_, "increment", 1, version - 1, version)).decode()
            db.execute(FILL, (id_, version, payload, n % 256))


def rebuild(path: Path) -> int:
    """Fold the whole log from nothing into one table, then into the other; return how many events it has."""
    db = connect(path)
    db.execute(TABLES).fetchall()
    _fold(db, HISTORY, _lines)
    folded = _fold(db, TOTALS, _sums)
    db.close()
    return folded


Folded = list[tuple[str, Changed, int]]
"""Of each event: tenant, what it says, when it happened."""


def _fold(db: apsw.Connection, statement: str, values: Callable[[Folded], list[tuple[Any, ...]]]) -> int:
    after = folded = 0
    while rows := db.execute(READ, (after, BATCH)).fetchall():
        after, folded = rows[-1][0], folded + len(rows)
        changes = values([(tenant, DECODE(payload), at) for _, tenant, payload, at in rows])
        db.execute("begin immediate")
        db.executemany(statement, changes)
        db.execute(CHECKPOINT, (after,))
        db.execute("commit")
    return folded


def _lines(events: Folded) -> list[tuple[Any, ...]]:
    raw = bytes.fromhex
    return [(tenant, raw(e.counter_id.replace("-", "")), e.version, e.operation, e.value, at) for tenant, e, at in events]


def _sums(events: Folded) -> list[tuple[Any, ...]]:
    steps, moved = Counter[str](), Counter[str]()
    for tenant, event, _ in events:
        steps[tenant] += 1
        moved[tenant] += event.by
    return [(tenant, steps[tenant], moved[tenant]) for tenant in steps]


def main(folder: Path, events: int) -> None:
    path = folder / "log.db"
    if not path.exists():
        fill(path, events)
    started = time.perf_counter()
    folded = rebuild(path)
    print(msgspec.json.encode({"events": folded, "seconds": time.perf_counter() - started}).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
