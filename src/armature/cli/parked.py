"""`armature parked`: which streams a projection has set aside and why, and a way to try them again."""

import asyncio
import sys
from pathlib import Path
from time import monotonic

import click
import msgspec
from rich.console import Console
from rich.table import Table

from armature.cli.opening import REFUSED, explained, model_options, open_model
from armature.cli.wishes import Wishes, open_wishes

__all__ = ["parked", "show_parked", "watch_retry"]

_LOOK_SECONDS = 0.1


@click.group(invoke_without_command=True)
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print data for a script.")
@click.pass_context
@explained("parked")
def parked(ctx: click.Context, topology: str, environment: str, data: str | None, as_json: bool) -> None:
    """List the streams that projections have set aside. Exit code 1 when there are some."""
    ctx.obj = data
    if ctx.invoked_subcommand is None:
        sys.exit(asyncio.run(_list(open_model(topology, environment, data=data).database_path, as_json)))


@parked.command()
@click.argument("projection")
@click.argument("stream", default="")
@model_options
@click.option("--patience", default=30.0, show_default=True, help="Seconds to wait for a projector to answer.")
@click.pass_context
@explained("parked retry")
def retry(ctx: click.Context, /, projection: str, stream: str, patience: float, **model: str | None) -> None:
    """Apply the waiting events of PROJECTION's parked streams (or of one STREAM) again, in order.

    Exit code 0 when none is parked any more, 1 when some had to stay, 2 when nobody could be asked.
    """
    topology, environment, data = model["topology"] or "", model["environment"] or "", model["data"] or ctx.obj
    database = open_model(topology, environment, data=data).database_path
    sys.exit(asyncio.run(_retry(database, projection, stream, patience)))


async def _list(database: Path, as_json: bool) -> int:
    async with open_wishes(database) as wishes:
        return await show_parked(wishes, Console(), as_json=as_json)


async def _retry(database: Path, projection: str, stream: str, patience: float) -> int:
    async with open_wishes(database) as wishes:
        return await watch_retry(wishes, (projection, stream), Console(), patience)


async def show_parked(wishes: Wishes, console: Console, *, as_json: bool = False) -> int:
    """Print the parked streams; return the exit code."""
    streams = await wishes.report.parked()
    if as_json:
        click.echo(msgspec.json.encode(streams))
    elif not streams:
        console.print("no stream is parked")
    else:
        table = Table("projection", "tenant", "stream", "position", "attempts", "since", "reason")
        for one in streams:
            where = (f"{one.projection} ({one.generation})", one.tenant_id, one.stream, str(one.position), str(one.attempts))
            table.add_row(*where, f"{one.parked_at:%Y-%m-%d %H:%M:%S}", one.reason)
        console.print(table)
    return 1 if streams else 0


async def watch_retry(wishes: Wishes, what: tuple[str, str], console: Console, patience_seconds: float) -> int:
    """Ask for a retry of (projection, stream or nothing) and wait for its end; return the exit code."""
    projection, stream = what
    if (unknown := await wishes.unknown(projection)) is not None:
        console.print(f"armature parked retry: {unknown}", highlight=False, soft_wrap=True)
        return REFUSED
    if not any(stream in ("", one.stream) for one in await wishes.report.parked(projection)):
        console.print(
            f"nothing is parked in {projection}" + (f" under {stream}" if stream else ""), highlight=False, soft_wrap=True
        )
        return 0
    id = await wishes.requests.ask("retry", projection, stream)
    until = monotonic() + patience_seconds
    while (request := await wishes.requests.get(id)) is not None and request.state in ("asked", "running"):
        if monotonic() > until:
            await wishes.requests.end(id, "withdrawn", "no projector answered in time")
            console.print("no process with the projector role answered; start one (armature run), then retry", soft_wrap=True)
            return REFUSED
        await asyncio.sleep(_LOOK_SECONDS)
    console.print(request.detail if request else "the request is gone", highlight=False, soft_wrap=True)
    return 0 if request is not None and request.state == "done" else 1
