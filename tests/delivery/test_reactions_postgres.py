"""Reactions on PostgreSQL behind its walls: the note that an event was taken is part of the module's own commit."""

from itertools import count
from pathlib import Path

import pytest

from armature.adapters.memory.bus import MemoryBroker
from armature.adapters.postgres.database import PostgresDatabase
from armature.adapters.postgres.grants import lane_role
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.numbering import PostgresNumbering
from armature.adapters.postgres.settings import PostgresSettings
from armature.engine.policies import DatabasePolicy, DeliveryPolicy
from armature.engine.sequencer import Sequencer
from armature.testing.servers import LocalPostgres
from tests.delivery.shop import Shop, migrated

pytestmark = pytest.mark.slow

LOGIN = "delivery_login"
_numbers = count(1)


async def test_a_reaction_has_its_effect_once_under_its_modules_own_role(tmp_path: Path, postgres: LocalPostgres) -> None:
    name = f"delivery_{next(_numbers)}"
    owner = postgres.create_database(name)
    postgres.sql(f"do $$ begin create role {LOGIN} login; exception when duplicate_object then end $$")
    migrated(PostgresMigrator(owner, kinds={"quota": {"quota_used": "tenant"}}, login=LOGIN), tmp_path)
    settings = PostgresSettings(url=postgres.url(name, LOGIN), owner_url=owner, modules=("quota",))
    database = PostgresDatabase(settings, policy=DatabasePolicy(), turn_seconds=1.0)
    lanes = Lanes(settings, 1)
    await database.open()
    try:
        shop = Shop(database, tmp_path, MemoryBroker(), DeliveryPolicy(retry_seconds=0.001, broker_check_seconds=0.001))
        sequencer = Sequencer(PostgresNumbering(lanes, lane_role(name, "armature")), DeliveryPolicy())

        async def settled() -> bool:
            await sequencer.step()
            return await shop.used() == 7

        await shop.place("a", 3)
        await shop.place("b", 4)
        await shop.until(settled, "both orders")
        shop.broker._seen.clear()
        for message in list(shop.broker.messages)[:2]:
            shop.broker.put(message)
        for _ in range(6):
            await sequencer.step()
            await shop.relay.step()
            await shop.consumer.step()
        assert (await shop.used(), shop.consumer.taken) == (7, 2)
        assert sequencer.last == 4  # two orders and what each of them caused
    finally:
        await lanes.close()
        await database.close()
