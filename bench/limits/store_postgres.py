"""The limit's storage on PostgreSQL: the reads of one loop turn are one statement, commands of one moment are one commit.

Nothing here is general: one table, one decision, no roles, no row level security. A batch is what arrived while the last one was
away. A batch of commands reads its rows, decides, and writes rows (compare-and-set), keys and events in one statement; a lost
compare or a known key aborts all of it, and each command is judged alone.
"""

import asyncio
import uuid
from collections.abc import Iterable

import asyncpg
import msgspec
from msgspec import Struct

from bench.limits.store import Changed, Counter, Refused, new_id

__all__ = ["PostgresStore"]

SCHEMA = """
create table if not exists counter_counters (
    id uuid primary key, tenant_id text not null, name text not null, note text, value bigint not null, version bigint not null
) with (fillfactor = 50);
create unique index if not exists counter_name_taken on counter_counters (tenant_id, name);
create index if not exists counter_by_value on counter_counters (tenant_id, value);
create table if not exists idempotency (
    tenant_id text, actor text, operation text, key text, fingerprint bytea, answer bytea, expires_at timestamptz,
    primary key (tenant_id, actor, operation, key)
);
create table if not exists outbox (
    id bigint generated always as identity primary key, position bigint, event_id uuid not null, type text not null,
    schema integer not null, tenant_id text not null, stream text not null, stream_version bigint not null, payload text not null,
    correlation_id uuid, causation_id uuid, trace text, actor text, subject text,
    partition smallint not null, occurred_at timestamptz not null
) with (fillfactor = 80);
create unique index if not exists outbox_stream on outbox (tenant_id, stream, stream_version);
"""
READ = """
select u.ord, c.name, c.value, c.version
  from unnest($1::text[], $2::uuid[]) with ordinality u (tenant, id, ord)
 cross join lateral (select name, value, version from counter_counters c where c.tenant_id = u.tenant and c.id = u.id) c
"""
CREATE = "insert into counter_counters (tenant_id, id, name, value, version) values ($1, $2, $3, 0, 1)"
KNOWN = "select fingerprint, answer from idempotency where tenant_id = $1 and actor = 'developer' and operation = $2 and key = $3"
# The division aborts the statement when a compare was lost: nothing of the batch may stay.
WRITE = """
with asked as materialized (
    select * from unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[], $7::smallint[])
        with ordinality a (tenant, id, value, version, event_id, payload, partition, ord)
), saved as (
    update counter_counters c set value = a.value, version = a.version from asked a
     where c.tenant_id = a.tenant and c.id = a.id and c.version = a.version - 1 returning 1
), kept as (
    insert into idempotency
    select k.tenant, 'developer', k.operation, k.key, k.fingerprint, k.answer, now() + interval '1 day'
      from unnest($8::text[], $9::text[], $10::text[], $11::bytea[], $12::bytea[]) k (tenant, operation, key, fingerprint, answer)
), told as (
    insert into outbox (event_id, type, schema, tenant_id, stream, stream_version, payload, actor, partition, occurred_at)
    select event_id, 'counter.changed', 1, tenant, id::text, version, payload, 'developer', partition, now()
      from asked order by ord
)
select 1 / (case when (select count(*) from saved) = (select count(*) from asked) then 1 else 0 end)
"""
ENCODE = msgspec.json.Encoder().encode
LANES = 2
# One plan for every batch, by the index: what PostgreSQL guesses of arrays changes with their length.
PLANS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}


class Ask(Struct, eq=False):
    """A read that waits."""

    tenant: str
    id: uuid.UUID
    done: asyncio.Future[Counter]


class Move(Struct, eq=False):
    """A command that waits: each part adds `by` to one counter. The first part is the answer."""

    tenant: str
    operation: str
    key: str | None
    parts: tuple[tuple[uuid.UUID, int], ...]
    done: asyncio.Future[bytes]

    @property
    def fingerprint(self) -> bytes:
        return repr(self.parts).encode()


class PostgresStore:
    """Two connections that read and two that write, each with at most one batch away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.get_running_loop()
        self._asks: list[Ask] = []
        self._moves: list[Move] = []
        self._readers: list[asyncpg.Connection] = []
        self._writers: list[asyncpg.Connection] = []
        self._all: list[asyncpg.Connection] = []
        # Rows that a batch away is changing: another batch would read them before that commit and lose.
        self._busy: set[uuid.UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._looking = False
        self._creating = asyncio.Lock()

    async def open(self) -> None:
        self._all = [await asyncpg.connect(self._url, server_settings=PLANS) for _ in range(2 * LANES)]
        await self._all[0].execute(SCHEMA)
        self._readers, self._writers = self._all[:LANES], self._all[LANES:]

    async def close(self) -> None:
        for connection in self._all:
            await connection.close()

    def get(self, tenant: str, id_: uuid.UUID) -> asyncio.Future[Counter]:
        done: asyncio.Future[Counter] = self._loop.create_future()
        self._asks.append(Ask(tenant, id_, done))
        self._look_soon()
        return done

    async def create(self, tenant: str, name: str) -> Counter:
        id_ = new_id()
        try:
            async with self._creating:
                await self._all[0].execute(CREATE, tenant, id_, name)
        except asyncpg.UniqueViolationError as taken:
            raise Refused(409, "counter:name_taken") from taken
        return Counter(id_, name, 0, 1)

    def move(self, tenant: str, operation: str, key: str | None, *parts: tuple[uuid.UUID, int]) -> asyncio.Future[bytes]:
        done: asyncio.Future[bytes] = self._loop.create_future()
        self._moves.append(Move(tenant, operation, key, parts, done))
        self._look_soon()
        return done

    def _look_soon(self) -> None:
        # One look a loop turn, so that what arrived in it goes together.
        if not self._looking:
            self._looking = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._looking = False
        if self._asks and self._readers:
            asks, self._asks = self._asks, []
            self._spawn(self._read(self._readers.pop(), asks))
        if self._moves and self._writers and (batch := self._next_batch()):
            self._spawn(self._write(self._writers.pop(), batch))

    def _next_batch(self) -> list[Move]:
        batch, late = [], []
        for move in self._moves:
            ids = [id_ for id_, _ in move.parts]
            if self._busy.isdisjoint(ids):
                self._busy.update(ids)
                batch.append(move)
            else:
                late.append(move)
        self._moves = late
        return batch

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = self._loop.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, connection: asyncpg.Connection, asks: list[Ask]) -> None:
        try:
            found = await _rows(connection, [ask.tenant for ask in asks], [ask.id for ask in asks])
            for ask, counter in zip(asks, found, strict=True):
                if counter is not None:
                    ask.done.set_result(counter)
                else:
                    ask.done.set_exception(Refused(404, "counter:not_found"))
        except (asyncpg.PostgresError, OSError) as broken:
            _fail(asks, broken)
        finally:
            self._readers.append(connection)
            self._look_soon()

    async def _write(self, connection: asyncpg.Connection, batch: list[Move]) -> None:
        try:
            try:
                answers = await self._apply(connection, batch)
            except (Refused, asyncpg.UniqueViolationError, asyncpg.DivisionByZeroError):
                await self._judge_each(connection, batch)
            else:
                for move, answer in zip(batch, answers, strict=True):
                    move.done.set_result(answer)
        except (asyncpg.PostgresError, OSError) as broken:
            _fail(batch, broken)
        finally:
            self._busy.difference_update(id_ for move in batch for id_, _ in move.parts)
            self._writers.append(connection)
            self._look_soon()

    async def _apply(self, connection: asyncpg.Connection, batch: list[Move]) -> list[bytes]:
        tenants = [move.tenant for move in batch for _ in move.parts]
        seen = iter(await _rows(connection, tenants, [id_ for move in batch for id_, _ in move.parts]))
        rows: list[tuple[object, ...]] = []
        keys: list[tuple[object, ...]] = []
        answers = []
        for move in batch:
            changed = [_decide(next(seen), by) for _, by in move.parts]
            answer = ENCODE(changed[0])
            answers.append(answer)
            for after, (_, by) in zip(changed, move.parts, strict=True):
                payload = ENCODE(Changed(str(after.id), move.operation, by, after.value, after.version)).decode()
                rows.append((move.tenant, after.id, after.value, after.version, new_id(), payload, after.id.bytes[15]))
            if move.key is not None:
                keys.append((move.tenant, move.operation, move.key, move.fingerprint, answer))
        await connection.fetchval(WRITE, *_columns(rows, 7), *_columns(keys, 5))
        return answers

    async def _judge_each(self, connection: asyncpg.Connection, batch: list[Move]) -> None:
        for move in batch:
            try:
                known = await connection.fetchrow(KNOWN, move.tenant, move.operation, move.key)
                if known is not None and known["fingerprint"] != move.fingerprint:
                    raise Refused(422, "idempotency:other_arguments")
                move.done.set_result(known["answer"] if known is not None else (await self._apply(connection, [move]))[0])
            except Refused as refused:
                move.done.set_exception(refused)


async def _rows(connection: asyncpg.Connection, tenants: list[str], ids: list[uuid.UUID]) -> list[Counter | None]:
    found: list[Counter | None] = [None] * len(ids)
    for ord_, name, value, version in await connection.fetch(READ, tenants, ids):
        found[ord_ - 1] = Counter(ids[ord_ - 1], name, value, version)
    return found


def _decide(seen: Counter | None, by: int) -> Counter:
    if seen is None:
        raise Refused(404, "counter:not_found")
    if seen.value + by < 0:
        raise Refused(409, "counter:insufficient")
    return Counter(seen.id, seen.name, seen.value + by, seen.version + 1)


def _columns(rows: list[tuple[object, ...]], width: int) -> Iterable[list[object]]:
    return map(list, zip(*rows, strict=True)) if rows else [[] for _ in range(width)]


def _fail(waiting: "list[Ask] | list[Move]", broken: Exception) -> None:
    for one in waiting:
        if not one.done.done():
            one.done.set_exception(broken)
