"""The limit's storage: compare-and-set, key and event in one durable commit, many commands to a commit, one writer thread.

Nothing here is general: three statements, one schema. What Armature adds on top of this is what it must pay for.
"""

import asyncio
import queue
import random
import threading
import time
import uuid
from pathlib import Path

import apsw
import msgspec
from msgspec import Struct

__all__ = ["Changed", "Counter", "Refused", "Store", "connect", "new_id"]

SCHEMA = """
create table if not exists counter_counters (
    id blob primary key, tenant_id text not null, name text not null, note text,
    value integer not null, version integer not null
) strict, without rowid;
create unique index if not exists counter_name_taken on counter_counters (tenant_id, name);
create table if not exists idempotency (
    tenant_id text, actor text, operation text, key text, fingerprint blob, answer blob, expires_at integer,
    primary key (tenant_id, actor, operation, key)
) strict, without rowid;
create table if not exists outbox (
    id integer primary key autoincrement, event_id blob not null, type text not null, schema integer not null,
    tenant_id text not null, stream text not null, stream_version integer not null, payload text not null,
    correlation_id blob, causation_id blob, trace text, actor text, subject text,
    partition integer not null, occurred_at integer not null
) strict;
create unique index if not exists outbox_stream on outbox (tenant_id, stream, stream_version);
"""
# Random keys touch a page each, so the log fills fast: rarer checkpoints are worth a sixth of the throughput.
PRAGMAS = (
    "pragma journal_mode = wal",
    "pragma synchronous = full",
    "pragma cache_size = -65536",
    "pragma mmap_size = 268435456",
    "pragma wal_autocheckpoint = 10000",
)
BY_ID = "select name, value, version from counter_counters where tenant_id = ? and id = ?"
CREATE = "insert into counter_counters (tenant_id, id, name, value, version) values (?, ?, ?, 0, 1)"
SAVE = "update counter_counters set value = ?, version = ? where tenant_id = ? and id = ? and version = ?"
KEEP = "insert into idempotency values (?, 'developer', ?, ?, ?, ?, ?)"
ANSWER = "select fingerprint, answer from idempotency where tenant_id = ? and actor = 'developer' and operation = ? and key = ?"
TELL = """insert into outbox (event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, actor,
 partition, occurred_at) values (?, 'counter.changed', 1, ?, ?, ?, ?, ?, 'developer', ?, ?)"""
DAY_US = 86_400_000_000
ENCODE = msgspec.json.Encoder().encode


class Counter(Struct):
    id: uuid.UUID
    name: str
    value: int
    version: int


class Changed(Struct):
    """The event: what a projection folds."""

    counter_id: str
    operation: str
    by: int
    value: int
    version: int


class Refused(Exception):
    """A command's refusal: status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code


class Move(Struct, eq=False):
    """A command that waits for the writer: each part adds `by` to one counter. The first part is the answer."""

    tenant: str
    operation: str
    key: str | None
    parts: tuple[tuple[uuid.UUID, int], ...]
    read: list[Counter]
    done: asyncio.Future[bytes]
    outcome: bytes | Exception = b""


class Store:
    """Reads on the caller's thread; writes through `move`, which answers after the commit is on disk."""

    def __init__(self, path: Path) -> None:
        self._reader, self._db = connect(path), connect(path)
        self._loop = asyncio.get_running_loop()
        # A swapped list loses the command that is being appended during the swap; this queue is atomic, and None closes it.
        self._queue: queue.SimpleQueue[Move | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="writer")
        self._thread.start()

    def get(self, tenant: str, id_: uuid.UUID) -> Counter:
        return _row(self._reader, tenant, id_)

    def create(self, tenant: str, name: str) -> Counter:
        """Insert on the loop, one commit each: creating is not what is measured."""
        id_ = new_id()
        try:
            self._reader.execute(CREATE, (tenant, id_.bytes, name))
        except apsw.ConstraintError as taken:
            raise Refused(409, "counter:name_taken") from taken
        return Counter(id_, name, 0, 1)

    def move(self, tenant: str, operation: str, key: str | None, *parts: tuple[uuid.UUID, int]) -> asyncio.Future[bytes]:
        """Read what the command decides on here, on the loop; the writer compares."""
        done: asyncio.Future[bytes] = self._loop.create_future()
        read = [_row(self._reader, tenant, id_) for id_, _ in parts]
        self._queue.put(Move(tenant, operation, key, parts, read, done))
        return done

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        while move := self._queue.get():
            # What arrived while the last commit was away is the next batch; nobody waits for a timer.
            batch = [move]
            while not self._queue.empty():
                if (late := self._queue.get_nowait()) is None:
                    self._queue.put(None)
                    break
                batch.append(late)
            try:
                self._commit(batch)
            except apsw.Error as broken:
                for move in batch:
                    move.outcome = broken
            self._loop.call_soon_threadsafe(_answer, batch)

    def _commit(self, batch: list[Move]) -> None:
        """All as one if nobody repeats a key and nobody is refused, which is nearly always; else each alone, again."""
        self._db.execute("begin immediate")
        try:
            try:
                self._apply(batch, time.time_ns() // 1_000)
            except (Refused, apsw.ConstraintError):
                self._db.execute("rollback; begin immediate")
                self._judge_each(batch, time.time_ns() // 1_000)
            self._db.execute("commit")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise

    def _apply(self, batch: list[Move], now: int) -> None:
        keys, events = [], []
        execute, changes = self._db.execute, self._db.changes
        for move in batch:
            answer = b""
            for seen, (_, by) in zip(move.read, move.parts, strict=True):
                raw, after = seen.id.bytes, _decide(seen, by)
                execute(SAVE, (after.value, after.version, move.tenant, raw, after.version - 1))
                if changes() != 1:
                    after = _decide(_row(self._db, move.tenant, seen.id), by)
                    execute(SAVE, (after.value, after.version, move.tenant, raw, after.version - 1))
                text, version = str(after.id), after.version
                payload = ENCODE(Changed(text, move.operation, by, after.value, version)).decode()
                events.append((_new(), move.tenant, text, version, payload, raw, raw[15], now))
                answer = answer or ENCODE(after)
            move.outcome = answer
            if move.key is not None:
                keys.append((move.tenant, move.operation, move.key, _print(move), answer, now + DAY_US))
        self._db.executemany(KEEP, keys)
        self._db.executemany(TELL, events)

    def _judge_each(self, batch: list[Move], now: int) -> None:
        for move in batch:
            try:
                known = self._db.execute(ANSWER, (move.tenant, move.operation, move.key)).fetchone()
                if known is not None and known[0] != _print(move):
                    raise Refused(422, "idempotency:other_arguments")
                if known is not None:
                    move.outcome = bytes(known[1])
                    continue
                # Looked at before the first write, so a refusal has nothing to undo.
                move.read = [_row(self._db, move.tenant, id_) for id_, _ in move.parts]
                for seen, (_, by) in zip(move.read, move.parts, strict=True):
                    _decide(seen, by)
                self._apply([move], now)
            except Refused as refused:
                move.outcome = refused


def _row(db: apsw.Connection, tenant: str, id_: uuid.UUID) -> Counter:
    row = db.execute(BY_ID, (tenant, id_.bytes)).fetchone()
    if row is None:
        raise Refused(404, "counter:not_found")
    return Counter(id_, *row)


def _decide(seen: Counter, by: int) -> Counter:
    if seen.value + by < 0:
        raise Refused(409, "counter:insufficient")
    return Counter(seen.id, seen.name, seen.value + by, seen.version + 1)


def _print(move: Move) -> bytes:
    return repr(move.parts).encode()


def _answer(batch: list[Move]) -> None:
    for move in batch:
        if move.done.done():
            continue
        if isinstance(move.outcome, Exception):
            move.done.set_exception(move.outcome)
        else:
            move.done.set_result(move.outcome)


def connect(path: Path) -> apsw.Connection:
    db = apsw.Connection(str(path))
    db.set_busy_timeout(5_000)
    for pragma in PRAGMAS:
        db.execute(pragma).fetchall()
    db.execute(SCHEMA)
    return db


def new_id() -> uuid.UUID:
    return uuid.UUID(bytes=_new())


def _new() -> bytes:
    """A UUIDv7 (RFC 9562): milliseconds, then random bits."""
    bits = random.getrandbits(74)
    number = (time.time_ns() // 1_000_000) << 80 | 7 << 76 | (bits >> 62) << 64 | 2 << 62 | bits & (1 << 62) - 1
    return number.to_bytes(16, "big")
