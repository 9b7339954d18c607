"""`armature contracts`: write what is promised to the outside, or check that the written files still hold."""

import sys

import click

from armature.cli.opening import explained, model_options, open_model
from armature.runtime.contracts import drift, write
from armature.runtime.project import load_project

__all__ = ["contracts"]


@click.command()
@model_options
@click.option("--check", is_flag=True, help="Write nothing; fail when a file differs from the code.")
@explained("contracts")
def contracts(topology: str, environment: str, data: str | None, check: bool) -> None:
    """Write contracts/openapi.json from the modules' contracts, with the prefix and the limits of the environment."""
    model = open_model(topology, environment, data=data)
    project = load_project(model.root)
    if not check:
        for path in write(project, model.policies):
            click.echo(f"wrote {path.relative_to(model.root)}")
        return
    found = drift(project, model.policies)
    for one in found:
        click.echo(str(one), err=True)
    if found:
        sys.exit(1)
    click.echo("contracts/ agrees with the code")
