"""`armature restore`: bring a backup to life in an empty place."""

import os
from pathlib import Path
from typing import Any

import click

from armature.adapters.postgres.door import postgres
from armature.adapters.sqlite.backup import restore_file, turn_file
from armature.cli.opening import explained, model_options, open_model
from armature.engine import migrations
from armature.engine.backup import Manifest, check, read_manifest, refused, restore_archive
from armature.engine.epochs import Turned
from armature.runtime.addresses import Addresses, database_addresses
from armature.runtime.model import Model
from armature.runtime.placing import homed
from armature.runtime.project import load_project
from armature.runtime.vendors import migrator_of

__all__ = ["restore_command"]


@click.command("restore")
@model_options
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
@click.option("--brought-back", is_flag=True, help="No folder: the database came back by its own means.")
@explained("restore")
def restore_command(folder: Path | None, *, brought_back: bool, **chosen: Any) -> None:
    """Compare a backup with its manifest and put it into an empty database.

    The log goes on in an epoch that no other restore gets: positions, cursors and marks that were made after the backup are of
    another one and are refused by name, never passed over. Exit code 2 when the backup is damaged or the target holds something.
    A database that WAL files, a snapshot or a dump brought back is given its epoch by `--brought-back`, before its first start.
    """
    if (folder is None) != brought_back:
        raise click.UsageError("name the folder of a backup, or --brought-back without one")
    model = open_model(**chosen)
    if folder is None:
        turned = _turn(model)
        click.echo(f"log {turned.log} goes on in epoch {turned.epoch}, head {turned.head}")
        return
    manifest = read_manifest(folder)
    dialect = model.environment.database.adapter
    if manifest.dialect != dialect:
        cure = "name an environment of that kind; from SQLite to PostgreSQL leads `armature promote`"
        raise refused(folder, f"it is of a {manifest.dialect} database, environment {model.environment.name} is {dialect}", cure)
    check(folder, manifest)
    epoch = _restore(model, folder, manifest)
    click.echo(f"restored {folder}, taken at {manifest.taken_at}: log {manifest.log}, epoch {epoch}, head {manifest.head}")
    click.echo(
        "what was written after that moment is gone. A broker or another database may know of it: a consumer or a read model\n"
        "whose checkpoint is ahead of this log halts by name, and /readyz says so."
    )


def _turn(model: Model) -> Turned:
    if model.environment.database.adapter == "sqlite":
        return turn_file(model.database_path)
    turned: Turned = postgres("backup").turn_database(_owner_url(model, database_addresses(model, os.environ)))
    return turned


def _owner_url(model: Model, addresses: Addresses) -> str:
    return addresses.of("database.owner_url" if model.environment.database.owner_url else "database.url")


def _restore(model: Model, folder: Path, manifest: Manifest) -> int:
    if manifest.dialect == "sqlite":
        if not model.database_path.exists():
            restore_archive(folder, model.archive_path, manifest)
        return restore_file(folder, model.database_path, manifest)
    project, addresses = homed(model, load_project(model.root)), database_addresses(model, os.environ)
    migrator, modules = migrator_of(model, project, addresses), [(module.name, module.folder) for module in project.modules]
    migrations.migrate(migrator, modules)
    restore_archive(folder, model.archive_path, manifest)
    epoch: int = postgres("backup").restore_database(_owner_url(model, addresses), folder, manifest)
    migrations.migrate(migrator, modules)  # walls that were lifted meanwhile are put up again
    return epoch
