"""A watcher's commit on PostgreSQL: its module's own role may write under the guard of a lease, and not without it."""

from itertools import count
from pathlib import Path

import pytest

from armature.adapters.postgres.database import PostgresDatabase
from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.settings import PostgresSettings
from armature.conformance.database_world import Waiter
from armature.engine.lease import Lease
from armature.engine.policies import DatabasePolicy
from armature.ports.database import Committed, Unit
from armature.testing.servers import LocalPostgres
from tests.delivery.shop import ADD, TENANT, migrated

_numbers = count(1)


@pytest.mark.slow
async def test_a_module_writes_under_its_lease_and_not_when_the_lease_has_gone(tmp_path: Path, postgres: LocalPostgres) -> None:
    url = postgres.create_database(f"fence_{next(_numbers)}")
    migrated(PostgresMigrator(url, kinds={"quota": {"quota_used": "tenant"}}), tmp_path)
    database = PostgresDatabase(PostgresSettings(url=url, modules=("quota",)), policy=DatabasePolicy(), turn_seconds=1.0)
    await database.open()
    try:
        database.bind((ADD,))
        lease = Lease(database, "watcher:quota.follow", "one", 600.0)
        assert await lease.hold() == 1

        async def write(buyer: str) -> bool:
            values = {"tenant_id": TENANT, "buyer": buyer, "used": 1}
            row = (ADD, tuple(values[name] for name in ADD.params))
            return isinstance(await database.commit(Unit("quota", Waiter(), [row], [guard])), Committed)

        guard = lease.guard()
        assert await write("ann")
        await lease.release()
        assert not await write("bob")
    finally:
        await database.close()


@pytest.mark.slow
async def test_a_clock_that_was_set_back_leaves_no_lease_to_the_dead(tmp_path: Path, postgres: LocalPostgres) -> None:
    name = f"fence_{next(_numbers)}"
    url = postgres.create_database(name)
    migrated(PostgresMigrator(url, kinds={"quota": {"quota_used": "tenant"}}), tmp_path)
    database = PostgresDatabase(PostgresSettings(url=url, modules=("quota",)), policy=DatabasePolicy(), turn_seconds=1.0)
    await database.open()
    try:
        dead, alive = (Lease(database, "relay", holder, 10.0) for holder in ("dead", "alive"))
        assert (await dead.hold(), await alive.hold()) == (1, None)
        postgres.sql("update armature_leases set expires_at = expires_at + 3600000000", name)
        assert await alive.hold() == 2
    finally:
        await database.close()
