"""`armature contracts`: write what is promised to the outside, or check that the written files still hold."""

import os
import sys
from pathlib import Path

import click

from armature.runtime.contracts import drift, write
from armature.runtime.model import ModelError, load
from armature.runtime.process import project_root
from armature.runtime.project import load_project

__all__ = ["contracts"]


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when a file differs from the code.")
@click.option("--topology", default="single", show_default=True, help="Which processes there are: platform/topologies/NAME.yaml.")
@click.option("--environment", default="dev", show_default=True, help="Whose prefix and limits the files show.")
def contracts(check: bool, topology: str, environment: str) -> None:
    """Write contracts/openapi.json from the modules' contracts."""
    try:
        root = project_root(Path.cwd())
        model = load(root, topology=topology, environment=environment, environ=os.environ)
        project = load_project(root)
        if not check:
            for path in write(project, model.policies):
                click.echo(f"wrote {path.relative_to(root.absolute())}")
            return
        found = drift(project, model.policies)
    except ModelError as refused:
        click.echo(f"armature contracts: {refused}", err=True)
        sys.exit(2)
    for one in found:
        click.echo(str(one), err=True)
    if found:
        sys.exit(1)
    click.echo("contracts/ agrees with the code")
