"""The laws of a database, on the writing half's own terms: PostgreSQL without walls, one pool."""

from importlib.resources import files
from itertools import count
from pathlib import Path

import pytest

from armature.adapters.postgres.database import PostgresDatabase
from armature.adapters.postgres.settings import PostgresSettings
from armature.conformance.database import DatabaseLaws
from armature.engine.policies import DatabasePolicy
from armature.kernel.statement import select
from armature.testing.servers import LocalPostgres

pytestmark = pytest.mark.slow

SCHEMA = files("armature.engine") / "schema"
COMMITTING = tuple(f"{name}.postgres.sql" for name in ("0001_foundation", "0003_commit", "0004_commit", "0005_fresh"))
FOUNDATION = "".join((SCHEMA / name).read_text() for name in COMMITTING)
_numbers = count(1)


class TestPostgresWrites(DatabaseLaws):
    """Commits share batches of any size."""

    policy = DatabasePolicy()
    write_size = 8

    @pytest.fixture(autouse=True)
    def _server(self, postgres: LocalPostgres) -> None:
        self.server = postgres
        self.urls: dict[Path, str] = {}

    def make(self, folder: Path) -> PostgresDatabase:
        if folder not in self.urls:
            self.urls[folder] = self.server.create_database(f"writes_{next(_numbers)}")
        settings = PostgresSettings(url=self.urls[folder], write_size=self.write_size, roles=False, row_security=False)
        return PostgresDatabase(settings, policy=self.policy, turn_seconds=1.0)

    def foundation(self) -> str:
        return FOUNDATION


async def test_rows_that_are_summed_up_are_bound_without_an_error_in_the_servers_log(postgres: LocalPostgres) -> None:
    name = f"writes_{next(_numbers)}"
    url = postgres.create_database(name)
    postgres.sql("create table fact_marks (tenant_id text, place text, weight bigint, primary key (tenant_id, place))", name)
    before = len(postgres.log)
    asks = (
        "select count(*) from fact_marks where tenant_id = :tenant_id",
        "select coalesce(max(weight), 0) from fact_marks where tenant_id = :tenant_id",
        "select distinct weight from fact_marks where tenant_id = :tenant_id",
        "select sum(weight)::bigint from fact_marks where tenant_id = :tenant_id group by place",
    )
    settings = PostgresSettings(url=url, roles=False, row_security=False)
    database = PostgresDatabase(settings, policy=DatabasePolicy(), turn_seconds=1.0)
    await database.open()
    try:
        database.bind([select(int, one) for one in asks])
        assert "FOR SHARE" not in postgres.log[before:]
    finally:
        await database.close()
