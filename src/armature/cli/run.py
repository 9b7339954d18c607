"""`armature run`: start the system and print where to look."""

import os
import sys
from pathlib import Path

import click

from armature.adapters.structlog.logs import configure_logs
from armature.edges.http.server import CannotListen, HttpServer, run_on_uvloop
from armature.kernel.refusals import Unavailable
from armature.ports.migrator import SchemaRefused
from armature.runtime.model import ModelError, load
from armature.runtime.process import project_root, serve

__all__ = ["run"]

REFUSALS = (ModelError, CannotListen, SchemaRefused, Unavailable)
"""What a start can be refused with; each says what, where and the cure."""


@click.command()
@click.option("--topology", default="single", show_default=True, help="Which processes there are: platform/topologies/NAME.yaml.")
@click.option("--environment", default="dev", show_default=True, help="Which vendors and sizes: platform/environments/NAME.yaml.")
@click.option("--host", help="Address to listen on.")
@click.option("--port", help="Port to listen on; 0 takes a free one.")
@click.option("--data", help="Folder for everything the system keeps.")
def run(topology: str, environment: str, **flags: str | None) -> None:
    """Start the system and serve until it is told to stop."""
    given = {f"--{name.replace('_', '-')}": value for name, value in flags.items() if value is not None}
    try:
        model = load(project_root(Path.cwd()), topology=topology, environment=environment, flags=given, environ=os.environ)
        configure_logs(model.policies.observe)
        run_on_uvloop(serve(model, os.environ, lambda server, seconds: _announce(server, seconds, str(model.data))))
    except REFUSALS as refused:
        click.echo(f"armature run: {refused}", err=True)
        sys.exit(2)


def _announce(server: HttpServer, seconds: float, data: str) -> None:
    base = server.address
    click.echo(f"Armature is ready after {seconds:.2f} s. Data: {data}")
    click.echo(f"  API        {base}/v1")
    click.echo(f"  documents  {base}/docs   {base}/openapi.json")
    click.echo(f"  health     {base}/readyz   {base}/metrics")
    click.echo("Stop with Ctrl-C.")
    sys.stdout.flush()
