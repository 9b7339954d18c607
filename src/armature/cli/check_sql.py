"""How findings are shown: one line each, errors last so that they are what is seen."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
import msgspec

from armature.checks.finding import Finding
from armature.checks.sql import check_sql, sql_module
from armature.runtime.problems import ModelError

__all__ = ["check_folders", "show_findings"]


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
        click.echo(f"{len(shown) or 'no'} finding{'' if len(shown) == 1 else 's'}")
    return int(any(one.severity == "error" for one in shown))


def _near(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
