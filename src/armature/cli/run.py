"""`armature run`: start the system and print where to look."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from importlib import import_module

import click

from armature.adapters.structlog.logs import configure_logs
from armature.cli.fleet import supervise
from armature.cli.opening import explained, model_options, open_model, stoppable
from armature.edges.http.server import run_on_uvloop
from armature.kernel.refusals import Unavailable
from armature.ports.migrator import SchemaUnreachable
from armature.runtime.addresses import resolve_addresses
from armature.runtime.linking import refuse_uncertified, refuse_unlinked
from armature.runtime.model import Model
from armature.runtime.process import Listening, LostServer, serve
from armature.runtime.project import load_project
from armature.runtime.seat import seat_of
from armature.runtime.seating import refuse_unseated
from armature.runtime.supervisor import PATIENT
from armature.runtime.tether import tie

__all__ = ["run"]

_LEAVE_SECONDS = 5.0
_ANSWERING = frozenset(("http", "grpc", "neighbour", "store"))


@click.command()
@model_options
@click.option("--process", metavar="NAME", help="Be this one process of the topology.")
@click.option("--servers", is_flag=True, help="Start the PostgreSQL, NATS and Redis that the environment refers to, too.")
@click.option("--host", help="Address to listen on.")
@click.option("--port", help="Port to listen on; 0 takes a free one. Several processes count up from it.")
@click.option("--grpc-port", help="Port for calls over gRPC, of a process with that role; 0 takes a free one.")
@click.option("--admin-port", help="Port for /metrics and /docs, which then leave the public one.")
@click.option("--health-port", help="Port for /readyz and /metrics of a process that takes no requests.")
@click.option("--tether", type=int, hidden=True, help="Descriptor that ends with the supervisor.")
@explained("run")
def run(
    topology: str, environment: str | None, process: str | None, servers: bool, tether: int | None, **flags: str | None
) -> None:
    """Start the system and serve until it is told to stop.

    A topology of one process runs here; one of several is supervised: each is a process of its own, started again when it falls.
    """
    model = open_model(topology, environment, **flags)
    configure_logs(model.policies.observe)
    several = process is None and sum(spec.replicas for spec in model.topology.processes.values()) > 1
    if tether is None:
        project = load_project(model.root)
        refuse_unseated(model, [module.facts() for module in project.modules])
        refuse_unlinked(model, project)
        if several:
            refuse_uncertified(model, project)
    with ExitStack() as stack:
        if servers:
            stack.enter_context(stoppable())
            own = import_module("armature.cli.own_servers").own_servers(model.data / "servers", _references(model))
            os.environ.update(stack.enter_context(own))
        if several:
            resolve_addresses(model, os.environ)  # said once here, and not by each process, again and again
            sys.exit(asyncio.run(supervise(model, {name: flags[name] for name in ("host", "data")})))
        if tether is not None:
            http = model.policies.http
            tie(tether, http.drain_notice_seconds + http.drain_seconds + _LEAVE_SECONDS)
        _give_way(model, process)
        _serve(model, process, supervised=tether is not None)


def _give_way(model: Model, process: str | None) -> None:
    """Let those who answer go first where both want the same core: what is in the background catches up in between."""
    if _ANSWERING.isdisjoint(seat_of(model, process).roles):
        os.nice(model.policies.delivery.background_nice)


def _references(model: Model) -> str:
    """All addresses of the environment, as its file has them: they name the variables that our servers are to set."""
    environment = model.environment
    urls = [environment.database.url, environment.bus.url, environment.signal.url, environment.cache.url, environment.limiter.url]
    urls += [one.url for one in environment.databases.values()]
    return " ".join(url or "" for url in (*urls, environment.neighbours.url))


def _serve(model: Model, process: str | None, *, supervised: bool) -> None:
    """Serve until told to stop. A process that lacks nothing but a server ends with `PATIENT`: started again, it may work."""
    announce = partial(_announce, model=model, requests="http" in seat_of(model, process).roles, supervised=supervised)
    try:
        run_on_uvloop(serve(model, os.environ, announce, process=process))
    except LostServer as lost:
        click.echo(f"armature run: {lost}; on_loss is exit", err=True)
        sys.exit(PATIENT)
    except (Unavailable, SchemaUnreachable) as refused:
        click.echo(f"armature run: {refused}", err=True)
        sys.exit(PATIENT)


def _announce(at: Listening, model: Model, *, requests: bool, supervised: bool) -> None:
    """Say where the process listens: the line that every process prints. Alone it says as well what is to be found there."""
    also = f" and, for gRPC, on {at.grpc}" if at.grpc is not None else ""
    listens = f"listens on {at.public.address}{also} after {at.seconds:.2f} s"
    alone = (f"Armature {listens}. Data: {model.data}", *_places(at, model, requests=requests))
    click.echo(listens if supervised else "\n".join(alone))
    sys.stdout.flush()


def _places(at: Listening, model: Model, *, requests: bool) -> Iterator[str]:
    base, admin = at.public.address, (at.admin or at.public).address
    if requests:
        yield f"  API        {base}{model.policies.http.prefix.format(version=1)}"
    if at.grpc is not None:
        yield f"  gRPC       {at.grpc}"
    if requests:
        yield f"  documents  {admin}/docs   {admin}/openapi.json"
    yield f"  health     {base}/readyz   {admin}/metrics"
    yield "Stop with Ctrl-C."
