"""The laws of a database, on the writing half's own terms: PostgreSQL without walls, one pool."""

from importlib.resources import files
from itertools import count
from pathlib import Path

import pytest

from armature.adapters.postgres.database import PostgresDatabase
from armature.adapters.postgres.settings import PostgresSettings
from armature.conformance.database import DatabaseLaws
from armature.engine.policies import DatabasePolicy
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
