"""`armature new`: a project or a module that runs, with a first test that fails and says what to write."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

import click

from armature.cli.columns import parse
from armature.cli.naming import Refused, module_names, project_name
from armature.cli.opening import REFUSED
from armature.cli.roles import add_roles, role_lines
from armature.cli.scaffold import module_words, write
from armature.runtime.process import project_root
from armature.runtime.schemas import write_schemas

__all__ = ["new"]

P = ParamSpec("P")


@click.group()
def new() -> None:
    """Make a new project or a new module."""


def _told(command: Callable[P, None]) -> Callable[P, None]:
    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except Refused as refused:
            click.echo(f"armature new: {refused}", err=True)
            sys.exit(REFUSED)

    return run


@new.command("project")
@click.argument("name")
@_told
def new_project(name: str) -> None:
    """Make the folder NAME with everything a project needs; modules come with `armature new module`."""
    target = Path.cwd() / project_name(name)
    write("project", target, {"name": name})
    write_schemas(target)
    click.echo(f"made {name}/. Next:")
    click.echo(f"  cd {name}")
    click.echo('  armature new module note --table "title:text done:boolean"')
    click.echo("  armature run")


@new.command("module")
@click.argument("name")
@click.option(
    "--table", default="name:text", show_default=True, help='Columns: "name:text value:bigint note:text?" (? may be null).'
)
@click.option("--plural", help="What many of them are called, where an s is not enough.")
@_told
def new_module(name: str, table: str, plural: str | None) -> None:
    """Make modules/NAME: create, read, change, delete and list over one table, its projection, its tests.

    NAME is what one of its things is called: note, line_item.
    """
    names = module_names(name, plural)
    columns = parse(table, names)
    root = project_root(Path.cwd())
    if not (root / "modules").is_dir():
        raise Refused("there is no modules/ here or above; go into a project, or make one: armature new project NAME")
    for path in write("module", root / "modules" / name, module_words(names, columns)):
        click.echo(f"  {path.relative_to(root)}")
    if add_roles(root / "platform" / "policies.yaml", name):
        click.echo(f"  platform/policies.yaml: the roles {name}.reader and {name}.writer")
    else:
        click.echo("add to platform/policies.yaml, below `roles:`")
        for line in role_lines(name):
            click.echo(f"  {line}")
    click.echo("run `armature contracts`: the project promises more than contracts/ says")
    click.echo(f"Next: armature run, and python -m pytest modules/{name}: one test fails and says what to write.")
