"""`armature migrate`: bring the database to where the files say, or only say where it stands."""

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table

from armature.engine.migrations import Standing, found, migrate, status
from armature.ports.migrator import Migration, Migrator, SchemaRefused

__all__ = ["migrate_database", "show_status"]

_STYLES = {"applied": "green", "pending": "yellow", "newer": "cyan", "changed": "red", "missing": "red"}
_WRONG = frozenset({"changed", "missing"})


def migrate_database(migrator: Migrator, modules: Sequence[tuple[str, Path]], *, as_json: bool = False) -> int:
    """Apply what is pending and print it; return the exit code: 0 done (or nothing to do), 1 refused."""
    try:
        done = migrate(migrator, modules)
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
