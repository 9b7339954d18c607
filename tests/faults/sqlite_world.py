"""A database of the laws' world on a path of one's choice, for tests that break what is below it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import apsw

from armature.adapters.sqlite.database import SqliteDatabase
from armature.conformance.database_accounts import STATEMENTS, TABLES
from armature.conformance.database_world import World
from armature.engine.policies import DatabasePolicy, QueryPolicy

FOUNDATION = (files("armature.engine") / "schema" / "0001_foundation.sqlite.sql").read_text()


@asynccontextmanager
async def sqlite_world(target: str | Path, policy: DatabasePolicy | None = None, *, fresh: bool = True) -> AsyncIterator[World]:
    """Open the file; with `fresh`, make the tables first."""
    database = SqliteDatabase(target, policy=policy or DatabasePolicy(), queries=QueryPolicy(), turn_seconds=0.25)
    await database.open()
    try:
        if fresh:
            await database.script(FOUNDATION + TABLES)
        database.bind(STATEMENTS)
        yield World(database)
    finally:
        await database.close()


def found(path: Path) -> tuple[set[str], int]:
    """Look at a file from outside: the accounts in it, and the number of events. A damaged file fails here."""
    db = apsw.Connection(str(path))
    try:
        db.set_busy_timeout(5_000)
        assert db.execute("pragma integrity_check").get == "ok"
        if (
            db.execute("select 1 from sqlite_schema where name = 'law_accounts'").get is None
        ):  # not even the script reached the disk
            return set(), 0
        accounts = {str(row[0]) for row in db.execute("select id from law_accounts")}
        (events,) = db.execute("select count(*) from armature_outbox").fetchall()[0]
        return accounts, int(events)
    finally:
        db.close()
