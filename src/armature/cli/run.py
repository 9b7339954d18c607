"""`armature run`: start the system and print where to look."""

import os
import sys
from functools import partial
from pathlib import Path

import click

from armature.adapters.structlog.logs import configure_logs
from armature.cli.opening import explained, model_options, open_model
from armature.edges.http.server import run_on_uvloop
from armature.runtime.process import Listening, serve

__all__ = ["run"]


@click.command()
@model_options
@click.option("--host", help="Address to listen on.")
@click.option("--port", help="Port to listen on; 0 takes a free one.")
@click.option("--admin-port", help="Port for /metrics and /docs, which then leave the public one.")
@explained("run")
def run(topology: str, environment: str, **flags: str | None) -> None:
    """Start the system and serve until it is told to stop."""
    model = open_model(topology, environment, **flags)
    configure_logs(model.policies.observe)
    run_on_uvloop(serve(model, os.environ, partial(_announce, data=model.data, prefix=model.policies.http.prefix)))


def _announce(at: Listening, *, data: Path, prefix: str) -> None:
    base, admin = at.public.address, (at.admin or at.public).address
    click.echo(f"Armature is ready after {at.seconds:.2f} s. Data: {data}")
    click.echo(f"  API        {base}{prefix.format(version=1)}")
    click.echo(f"  documents  {admin}/docs   {admin}/openapi.json")
    click.echo(f"  health     {base}/readyz   {admin}/metrics")
    click.echo("Stop with Ctrl-C.")
    sys.stdout.flush()
