"""PostgreSQL keeps the laws of a database: behind both walls, without them, and with almost no connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex

import asyncpg
import pytest

from armature.adapters.postgres.database import PostgresDatabase
from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.settings import PostgresSettings
from armature.conformance.database import DatabaseLaws
from armature.conformance.database_accounts import TABLES
from armature.conformance.database_world import Waiter, World, run
from armature.engine.migrations import migrate
from armature.engine.policies import DatabasePolicy
from armature.ports.database import Committed, Conflict, Expired, Violated
from armature.testing.servers import LocalPostgres

pytestmark = pytest.mark.slow

LOGIN = "laws_login"
_GIVEN_UP = "canceling statement due to lock timeout"


class TestPostgresDatabase(DatabaseLaws):
    """As in production: the login owns nothing, each module has its lane, and policies guard the rows."""

    policy = DatabasePolicy()
    connections = 8

    @pytest.fixture(autouse=True)
    def _server(self, postgres: LocalPostgres) -> None:
        self.server = postgres
        self.names: dict[Path, str] = {}

    def make(self, folder: Path) -> PostgresDatabase:
        if folder not in self.names:
            self.names[folder] = f"laws_{token_hex(4)}"
            self.migrate(self.names[folder], folder)
        return PostgresDatabase(self.settings(self.names[folder]), policy=self.policy, turn_seconds=1.0)

    def migrate(self, name: str, folder: Path) -> None:
        """Make the database, the laws' tables as those of module `law`, and the walls."""
        owner = self.server.create_database(name)
        self.server.sql(f"do $$ begin create role {LOGIN} login; exception when duplicate_object then end $$")
        migrations = folder / f"{name}.module" / "migrations"
        migrations.mkdir(parents=True)
        (migrations / "0001_create_accounts.postgres.sql").write_text(TABLES)
        migrator = PostgresMigrator(owner, kinds={"law": {"law_accounts": "tenant"}}, login=LOGIN)
        migrate(migrator, [("law", migrations.parent)])

    def test_rows_that_another_node_holds_are_waited_for_as_long_as_their_callers_wait(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path, fresh=False) as world:
                await world.account("a")
                other = await asyncpg.connect(self.server.url(self.names[tmp_path]))
                hold = other.transaction()
                await hold.start()
                await other.execute("update law_accounts set value = 10, version = 2")
                refused = self.server.log.count(_GIVEN_UP)
                hasty = asyncio.create_task(world.step("a", Waiter(0.5)))
                patient = [asyncio.create_task(world.step("a")) for _ in range(3)]
                for _ in range(1_000):
                    if self.server.log.count(_GIVEN_UP) >= refused + 2:
                        break
                    await asyncio.sleep(0.05)
                assert isinstance(await hasty, Expired)
                await hold.commit()
                assert all(isinstance(verdict, Committed) for verdict in await asyncio.gather(*patient))
                found = await world.find("a")
                assert found is not None and (found.value, found.version) == (13, 5)
                await other.close()

        run(story())

    def test_a_version_is_free_again_when_who_was_sent_for_it_has_failed(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with self.world(tmp_path, fresh=False) as world:
                await world.account("a")
                await world.account("b")
                first, second, other = await asyncio.gather(
                    world.commit(world.saved("a", 1, 1)),
                    world.commit(world.saved("a", 2, 1)),
                    world.commit(world.saved("b", 3, 1)),
                )
                assert isinstance(first, Committed) and isinstance(other, Committed)
                assert isinstance(second, Conflict)
                assert isinstance(await world.commit(world.saved("a", 9, 2), world.opened("c", 0, called="b")), Violated)
                assert isinstance(await world.commit(world.saved("a", 4, 2)), Committed)
                found = await world.find("a")
                assert found is not None and (found.value, found.version) == (4, 3)

        run(story())

    def settings(self, name: str) -> PostgresSettings:
        return PostgresSettings(
            url=self.server.url(name, LOGIN),
            owner_url=self.server.url(name),
            modules=("law",),
            read_size=self.connections,
            write_size=self.connections,
        )

    def foundation(self) -> str:
        return "select 1"

    @asynccontextmanager
    async def world(self, folder: Path, *, fresh: bool = True) -> AsyncIterator[World]:
        # The migrator made the tables, because lanes are granted what is there.
        async with super().world(folder, fresh=False) as world:
            yield world


class TestPostgresDatabaseWithoutWalls(TestPostgresDatabase):
    def settings(self, name: str) -> PostgresSettings:
        return PostgresSettings(url=self.server.url(name), roles=False, row_security=False)


class TestPostgresDatabaseWithOneConnection(TestPostgresDatabase):
    """One to read, one to write, and small batches: whoever waits for a connection while holding one hangs."""

    connections = 1
    policy = DatabasePolicy(batch_units_max=5)
