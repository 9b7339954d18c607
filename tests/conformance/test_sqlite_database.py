"""SQLite keeps the laws of a database: with units written on the loop, and with every unit written on the writer's thread."""

from importlib.resources import files
from pathlib import Path

from armature.adapters.sqlite.database import SqliteDatabase
from armature.conformance.database import DatabaseLaws
from armature.engine.policies import DatabasePolicy, QueryPolicy

FOUNDATION = (files("armature.engine") / "schema" / "0001_foundation.sqlite.sql").read_text()


class TestSqliteDatabase(DatabaseLaws):
    def make(self, folder: Path) -> SqliteDatabase:
        return SqliteDatabase(folder / "laws.db", policy=DatabasePolicy(), queries=QueryPolicy(), turn_seconds=0.25)

    def foundation(self) -> str:
        return FOUNDATION


class TestSqliteDatabaseWithSlowLanes(TestSqliteDatabase):
    """Every statement counts as slow, so after its first unit the lane writes on the thread; batches are small."""

    def make(self, folder: Path) -> SqliteDatabase:
        policy = DatabasePolicy(slow_statement_seconds=1e-9, batch_units_max=5)
        return SqliteDatabase(folder / "laws.db", policy=policy, queries=QueryPolicy(reader_threads=1), turn_seconds=0.25)
