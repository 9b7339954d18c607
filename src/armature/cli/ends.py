"""Which two databases a promotion is between: the topology's SQLite file, and what the command line names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from msgspec import Struct, structs

from armature.adapters.postgres.door import postgres
from armature.adapters.sqlite.moving import SqliteSource
from armature.engine import migrations
from armature.ports.migrator import Migrator, SchemaRefused, Trouble
from armature.ports.moving import Source, Target
from armature.runtime.addresses import database_addresses
from armature.runtime.environment import DatabaseBinding, is_reference, masked
from armature.runtime.model import Model, load
from armature.runtime.project import Project
from armature.runtime.vendors import migrator_of

__all__ = ["Ends", "ends_of"]


class Ends(Struct):
    """Both sides of a promotion, open; `place` names the target without its password."""

    source: Source
    target: Target
    migrator: Migrator
    project: Project
    place: str

    def migrate(self) -> None:
        """Bring the target to where the project's files say, walls included. Raises `SchemaRefused`."""
        migrations.migrate(self.migrator, [(module.name, module.folder) for module in self.project.modules])


@contextmanager
def ends_of(model: Model, project: Project, to: str) -> Iterator[Ends]:
    """Open the file of `model` and the database that `to` names: an address, `env:NAME`, or an environment of the project.

    The target is migrated first, since its schema is what tells how rows are stored.
    """
    if model.environment.database.adapter != "sqlite":
        text = f"the database of environment {model.environment.name} is no SQLite file"
        raise SchemaRefused(Trouble("promote", 0, text, "name the environment that is left by --environment"))
    there = _there(model, to)
    addresses = database_addresses(there, os.environ)
    binding = there.environment.database
    url = addresses.of("database.owner_url" if binding.owner_url else "database.url")
    migrator = migrator_of(there, project, addresses)
    source = SqliteSource(model.database_path)
    try:
        migrations.migrate(migrator, [(module.name, module.folder) for module in project.modules])
        target = postgres("moving").PostgresTarget(url)
        try:
            yield Ends(source, target, migrator, project, _place(url))
        finally:
            target.close()
    finally:
        source.close()


def _there(model: Model, to: str) -> Model:
    if is_reference(to) or "://" in to:
        binding = DatabaseBinding(adapter="postgres", url=to)
        return structs.replace(model, environment=structs.replace(model.environment, database=binding))
    there = load(model.root, topology=model.topology.name, environment=to, flags={}, environ=os.environ)
    if there.environment.database.adapter != "postgres":
        text = f"the database of environment {to} is {there.environment.database.adapter}"
        raise SchemaRefused(Trouble("promote", 0, text, "name an environment whose database is postgres, or an address"))
    return there


def _place(url: str) -> str:
    parts = urlsplit(masked(url))
    return parts._replace(query="", fragment="").geturl()
