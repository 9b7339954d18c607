"""`armature contracts`: write what is derived from code and committed, or check that the promise still holds."""

import sys

import click

from armature.cli.opening import explained, model_options, open_model
from armature.runtime.contracts import drift, write
from armature.runtime.project import load_project
from armature.runtime.schemas import write_schemas

__all__ = ["contracts"]


@click.command()
@model_options
@click.option("--check", is_flag=True, help="Write nothing; fail when a file differs from the code.")
@explained("contracts")
def contracts(topology: str, environment: str, data: str | None, check: bool) -> None:
    """Write contracts/openapi.json from the modules' contracts, with the prefix and the limits of the environment.

    Also the schemas below platform/, by which editors know the keys of the model.
    """
    model = open_model(topology, environment, data=data)
    project = load_project(model.root)
    if not check:
        schemas = write_schemas(model.root) if (model.root / "platform").is_dir() else []
        for path in (*write(project, model.policies), *schemas):
            click.echo(f"wrote {path.relative_to(model.root)}")
        return
    found = drift(project, model.policies)
    for one in found:
        click.echo(str(one), err=True)
    if found:
        sys.exit(1)
    click.echo("contracts/ agrees with the code")
