"""Killed at any named place of delivery, the next process goes on: every event has its effect once, and is numbered once."""

import sys
from pathlib import Path

import apsw
import asyncpg
import pytest

from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.numbering import PostgresNumbering
from armature.adapters.postgres.settings import PostgresSettings
from armature.ports.numbering import Numbered
from armature.testing.crash import crash_at
from armature.testing.servers import LocalNats
from tests.delivery.test_numbering import TELL, administered
from tests.delivery.worker import ORDERS, USED, finish, shop_on_nats

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("crash", ["relay.acknowledged:2", "relay.moved:2", "consumer.committed:1", "consumer.committed:7"])
async def test_a_killed_relay_or_consumer_loses_and_doubles_nothing(tmp_path: Path, nats: LocalNats, crash: str) -> None:
    crash_at(crash, [sys.executable, "-m", "tests.delivery.worker", str(tmp_path), nats.url], cwd=ROOT)
    async with shop_on_nats(tmp_path, nats.url) as (shop, bus):
        await finish(shop)
        for _ in range(3):
            await shop.consumer.step()
        assert await shop.used() == USED
        assert (await bus.tail()).last == 2 * ORDERS, "the broker holds an event twice"
    db = apsw.Connection(str(tmp_path / "shop.db"))
    assert db.execute("select count(*) from armature_inbox").get == ORDERS
    assert db.execute("select count(*), max(id) from armature_outbox").fetchall() == [(2 * ORDERS, 2 * ORDERS)]


SEQUENCE = """
import asyncio, sys
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.numbering import PostgresNumbering
from armature.adapters.postgres.settings import PostgresSettings

async def main():
    numbering = PostgresNumbering(Lanes(PostgresSettings(url=sys.argv[1]), 1), None)
    while (await numbering.number(3)).count:
        pass

asyncio.run(main())
"""


@pytest.mark.parametrize("crash", ["sequencer.numbered:1", "sequencer.numbered:2", "sequencer.committed:1"])
async def test_a_killed_sequencer_leaves_no_number_and_no_lock_behind(postgres_url: str, crash: str) -> None:
    async with administered(postgres_url) as admin:
        await admin.executemany(TELL, [(f"thing/{n % 2}", 1 + n // 2) for n in range(8)])
        crash_at(crash, [sys.executable, "-c", SEQUENCE, postgres_url], cwd=ROOT)
        committed = 3 * (int(crash[-1]) - ("numbered" in crash))
        assert await admin.fetchval("select count(position) from armature_outbox") == committed
        lanes = Lanes(PostgresSettings(url=postgres_url), 1)
        assert await PostgresNumbering(lanes, None).number(100) == Numbered(8 - committed, 8)
        await lanes.close()
        await dense(admin)


async def dense(admin: asyncpg.Connection) -> None:
    assert await admin.fetch("select * from renumbered") == []
    assert await admin.fetch("select id, position from armature_outbox where position <> id") == []
