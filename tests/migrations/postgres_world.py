"""A database for each folder on the server that a test run shares; children find the server in the environment."""

import hashlib
import os
from pathlib import Path

from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.session import connected

SERVER = "ARMATURE_TEST_POSTGRES"
KINDS = {"shop": {"shop_things": "global"}}


def database_of(folder: Path) -> str:
    """Return the address of a folder's database; it is created if it is not there."""
    name = f"laws_{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
    with connected(f"{os.environ[SERVER]}/postgres") as session:
        session.rows("select pg_advisory_lock(1)")
        if not session.rows("select 1 from pg_database where datname = $1", name):
            session.run(f"create database {name} template template0")
    return f"{os.environ[SERVER]}/{name}"


def open_migrator(folder: Path) -> PostgresMigrator:
    """Return the migrator of a folder's database."""
    return PostgresMigrator(database_of(folder), kinds=KINDS)
