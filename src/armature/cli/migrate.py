"""`armature migrate`: bring the database to where the files say, or only say where it stands."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from armature.cli.opening import explained, model_options, open_model
from armature.engine import migrations
from armature.engine.migrations import Standing, found, status
from armature.ports.migrator import Migration, Migrator, SchemaRefused
from armature.runtime.addresses import database_addresses
from armature.runtime.placing import homed
from armature.runtime.project import load_project
from armature.runtime.vendors import migrator_of

__all__ = ["migrate", "migrate_database", "show_status"]

_STYLES = {"applied": "green", "pending": "yellow", "newer": "cyan", "changed": "red", "missing": "red"}
_WRONG = frozenset({"changed", "missing"})


@click.command()
@model_options
@click.option("--status", "only_status", is_flag=True, help="Change nothing; show where each migration stands.")
@click.option("--json", "as_json", is_flag=True, help="Print data for a script.")
@explained("migrate")
def migrate(topology: str, environment: str | None, data: str | None, only_status: bool, as_json: bool) -> None:
    """Apply the migrations that are pending: the framework's, then each module's in graph order.

    Exit code 1 when files and database do not fit together; every line then names a file and a cure. `armature run` does the
    same at its start.
    """
    model = open_model(topology, environment, data=data)
    project = homed(model, load_project(model.root))
    modules = [(module.name, module.folder) for module in project.modules]
    migrator = migrator_of(model, project, database_addresses(model, os.environ))
    if only_status:
        sys.exit(show_status(migrator, modules, as_json=as_json))
    sys.exit(migrate_database(migrator, modules, as_json=as_json))


def migrate_database(migrator: Migrator, modules: Sequence[tuple[str, Path]], *, as_json: bool = False) -> int:
    """Apply what is pending and print it; return the exit code: 0 done (or nothing to do), 1 refused."""
    try:
        done = migrations.migrate(migrator, modules)
    except SchemaRefused as refused:
        return _refuse(refused, as_json)
    if as_json:
        click.echo(msgspec.json.encode({"applied": [_named(one) for one in done]}))
    elif done:
        for one in done:
            click.echo(f"applied {_named(one)}")
    else:
        click.echo("nothing to do: every migration is applied")
    return 0


def show_status(migrator: Migrator, modules: Sequence[tuple[str, Path]], *, as_json: bool = False) -> int:
    """Print where each migration stands; return 0, or 1 where files and database tell two stories. Changes nothing."""
    try:
        standings = status(found(modules, migrator.dialect), migrator.applied())
    except SchemaRefused as refused:
        return _refuse(refused, as_json)
    if as_json:
        click.echo(msgspec.json.encode({"migrations": standings}))
    else:
        Console(highlight=False).print(_table(standings))
    return int(any(one.state in _WRONG for one in standings))


def _refuse(refused: SchemaRefused, as_json: bool) -> int:
    if as_json:
        click.echo(msgspec.json.encode({"troubles": refused.troubles}))
    else:
        click.echo(str(refused), err=True)
    return 1


def _named(one: Migration | Standing) -> str:
    return f"{one.module}/{one.number:04}_{one.name}"


def _table(standings: Sequence[Standing]) -> Table:
    table = Table("migration", "state", "applied at (UTC)")
    for one in standings:
        at = f"{one.applied_at:%Y-%m-%d %H:%M:%S}" if one.applied_at else ""
        table.add_row(_named(one), f"[{_STYLES[one.state]}]{one.state}[/]", at)
    return table
