"""`armature check sql`: the findings of every module's SQL, one line each, errors last so that they are what is seen."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import msgspec

from armature.checks.finding import Finding
from armature.checks.sql import check_sql, sql_module
from armature.cli.opening import explained
from armature.runtime.problems import ModelError
from armature.runtime.process import project_root
from armature.runtime.project import load_project

__all__ = ["check_folders", "check_sql_command", "show_findings"]


@click.command("sql")
@click.option("--json", "as_json", is_flag=True, help="Print data for a script.")
@explained("check sql")
def check_sql_command(as_json: bool) -> None:
    """Prepare every statement of every module on the schema that the migrations make, and read its plan."""
    project = load_project(project_root(Path.cwd()))
    sys.exit(check_folders([module.folder for module in project.modules], as_json=as_json))


def check_folders(folders: Sequence[Path], *, as_json: bool = False) -> int:
    """Check the modules in these folders, in graph order; return 0 without errors, 1 with."""
    try:
        modules = [sql_module(folder) for folder in folders]
    except (ModelError, ImportError, SyntaxError, TypeError, NameError) as error:
        click.echo(f"the modules cannot be read: {error}", err=True)
        return 1
    return show_findings(check_sql(modules), as_json=as_json)


def show_findings(findings: Iterable[Finding], *, as_json: bool = False) -> int:
    """Print findings with files as seen from here; return 0 without errors, 1 with."""
    shown = [msgspec.structs.replace(one, file=_near(one.file)) for one in findings]
    if as_json:
        click.echo(msgspec.json.encode({"findings": shown}))
    else:
        for one in sorted(shown, key=lambda one: one.severity, reverse=True):
            click.echo(f"{one.severity}: {one}")
        click.echo(f"{len(shown)} findings" if shown else "no findings")
    return int(any(one.severity == "error" for one in shown))


def _near(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
