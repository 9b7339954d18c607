"""Numbering on a real PostgreSQL: dense, final, in each stream's order, by two sequencers whose sessions are cut (I7, I8)."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

import asyncpg
import pytest

from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.numbering import PostgresNumbering
from armature.adapters.postgres.settings import PostgresSettings
from armature.kernel.refusals import Unavailable
from armature.ports.numbering import Numbered

pytestmark = pytest.mark.slow

FOUNDATION = (files("armature.engine") / "schema" / "0001_foundation.postgres.sql").read_text()
AUDIT = """
create table renumbered (id bigint not null, before bigint, after bigint);
create function note_renumbering() returns trigger language plpgsql as $$
begin
    insert into renumbered values (old.id, old.position, new.position);
    return new;
end $$;
create trigger note after update of position on armature_outbox
   for each row when (old.position is not null and old.position is distinct from new.position)
   execute function note_renumbering();
"""
CUT = """
select count(pg_terminate_backend(pid)) from pg_stat_activity
 where application_name = 'sequencer' and state <> 'idle' and datname = current_database()
"""
TELL = """
insert into armature_outbox (event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id,
                             actor, partition, occurred_at)
values (gen_random_uuid(), 'x.y', 1, 'acme', $1, $2, '{}', 'c', 'c', 'ann', 0, now())
"""


@asynccontextmanager
async def administered(url: str) -> AsyncIterator[asyncpg.Connection]:
    """An administrator's session on a database with the framework's tables."""
    connection = await asyncpg.connect(url)
    await connection.execute(FOUNDATION + AUDIT)
    yield connection
    await connection.close()


async def write(url: str, stream: str, versions: int, seed: int) -> None:
    """Commit a stream's events one after the other, some of them late, some only at the second try."""
    chance = random.Random(seed)
    connection = await asyncpg.connect(url)
    for version in range(1, versions + 1):
        while True:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(TELL, stream, version)
            if chance.random() < 0.2:
                await connection.execute("select pg_sleep($1)", chance.random() * 0.01)
            if chance.random() < 0.05:
                await transaction.rollback()
                continue
            await transaction.commit()
            break
    await connection.close()


async def sequence(lanes: Lanes, over: asyncio.Event) -> int:
    """Number until everything is written; a session that was cut is no more than a pause."""
    numbering, cut = PostgresNumbering(lanes, None), 0
    while True:
        ends = over.is_set()
        try:
            done = await numbering.number(7)
        except Unavailable:
            cut += 1
            continue
        if not done.count:
            if ends:
                return cut
            await asyncio.sleep(0)


async def cut(url: str, over: asyncio.Event) -> int:
    """End sessions of sequencers in the middle of their transactions."""
    admin, ended = await asyncpg.connect(url), 0
    while not over.is_set():
        ended += await admin.fetchval(CUT)
        await asyncio.sleep(0.03)
    await admin.close()
    return int(ended)


async def test_two_sequencers_that_are_cut_number_every_event_once(postgres_url: str) -> None:
    async with administered(postgres_url) as admin:
        lanes = [Lanes(PostgresSettings(url=postgres_url, application_name="sequencer"), 1) for _ in "ab"]
        over = asyncio.Event()
        sequencers = [asyncio.ensure_future(sequence(one, over)) for one in lanes]
        cutting = asyncio.ensure_future(cut(postgres_url, over))
        await asyncio.gather(*(write(postgres_url, f"thing/{n}", 60, n) for n in range(4)))
        over.set()
        assert await cutting > 0, "no session was ever cut"
        await asyncio.gather(*sequencers)
        assert await admin.fetch("select * from renumbered") == []
        row = await admin.fetchrow("select count(*), max(position), count(distinct position), min(position) from armature_outbox")
        assert tuple(row) == (240, 240, 240, 1)
        inverted = await admin.fetch(
            """
select a.stream from armature_outbox a
  join armature_outbox b on b.stream = a.stream and b.stream_version = a.stream_version + 1
 where b.position < a.position
    """
        )
        assert inverted == []
        assert await admin.fetchval("select last from armature_head") == 240
        for one in lanes:
            await one.close()


async def test_numbering_stops_at_its_limit_and_says_where_it_is(postgres_url: str) -> None:
    async with administered(postgres_url) as admin:
        lanes = Lanes(PostgresSettings(url=postgres_url), 1)
        numbering = PostgresNumbering(lanes, None)
        await admin.executemany(TELL, [("s", version) for version in range(1, 6)])
        assert [await numbering.number(3), await numbering.number(3), await numbering.number(3)] == [
            Numbered(3, 3),
            Numbered(2, 5),
            Numbered(0, 0),
        ]
        await lanes.close()
