"""`armature backup`: save everything while the system serves."""

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import msgspec

from armature.adapters.postgres.door import postgres
from armature.adapters.sqlite.backup import save_file
from armature.cli.opening import explained, model_options, open_model
from armature.engine.backup import Manifest, empty_folder, write_manifest
from armature.runtime.addresses import database_addresses
from armature.runtime.model import Model

__all__ = ["backup_command"]


@click.command("backup")
@model_options
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
@explained("backup")
def backup_command(folder: Path, *, as_json: bool, **chosen: Any) -> None:
    """Save the database and the archived log into a new folder, as of one moment, while the system serves.

    Every file is described in a manifest, which is written last: a folder without one is no backup. On SQLite read models are
    saved too, on PostgreSQL they are made again from the log after a restore. Secrets of the data folder are not saved.
    """
    model = open_model(**chosen)
    empty_folder(folder)
    manifest = _save(model, folder)
    write_manifest(folder, manifest)
    if as_json:
        click.echo(msgspec.json.encode(manifest))
        return
    rows = sum(table.rows for table in manifest.tables)
    size = sum(one.size for one in manifest.files)
    click.echo(f"saved to {folder}: log {manifest.log}, epoch {manifest.epoch}, head {manifest.head}")
    click.echo(f"{len(manifest.tables)} tables, {rows} rows, {size} bytes")


def _save(model: Model, folder: Path) -> Manifest:
    binding = model.environment.database
    made_by = version("armature")
    if binding.adapter != "postgres":
        return save_file(model.database_path, folder, model.archive_path, made_by)
    url = database_addresses(model, os.environ).of("database.owner_url" if binding.owner_url else "database.url")
    saved: Manifest = postgres("backup").save_database(url, folder, model.archive_path, made_by)
    return saved
