"""A guest of a file's owner keeps the laws of a database, over a real socket; and so do small batches on the writer's thread."""

from pathlib import Path

from armature.conformance.database import DatabaseLaws
from armature.engine.policies import DatabasePolicy
from armature.ports.database import Database
from tests.store.pair import FOUNDATION, Served


class TestStoreDatabase(DatabaseLaws):
    def make(self, folder: Path) -> Database:
        return Served(folder)

    def foundation(self) -> str:
        return FOUNDATION


class TestStoreDatabaseWithSlowLanes(TestStoreDatabase):
    """Every statement counts as slow, so the owner writes on its thread; batches are small."""

    def make(self, folder: Path) -> Database:
        return Served(folder, DatabasePolicy(slow_statement_seconds=1e-9, batch_units_max=5))
