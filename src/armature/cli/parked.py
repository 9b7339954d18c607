"""`armature parked`: which streams a projection has set aside and why, and a way to try them again."""

import asyncio
import sys

import click
import msgspec
from rich.console import Console

from armature.cli.listing import show_rows
from armature.cli.opening import REFUSED, explained, model_options, open_model
from armature.cli.wishes import Wishes, open_wishes
from armature.engine.parking import ParkedStream
from armature.runtime.model import Model

__all__ = ["parked", "show_parked", "watch_retry"]


@click.group(invoke_without_command=True)
@model_options
@click.option("--json", "as_json", is_flag=True, help="Print data for a script.")
@click.pass_context
@explained("parked")
def parked(ctx: click.Context, topology: str, environment: str | None, data: str | None, as_json: bool) -> None:
    """List the streams that projections have set aside. Exit code 1 when there are some."""
    ctx.obj = data
    if ctx.invoked_subcommand is None:
        sys.exit(asyncio.run(_list(open_model(topology, environment, data=data), as_json)))


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
    chosen = open_model(model["topology"] or "", model["environment"], data=model["data"] or ctx.obj)
    sys.exit(asyncio.run(_retry(chosen, projection, stream, patience)))


async def _list(model: Model, as_json: bool) -> int:
    async with open_wishes(model) as wishes:
        return await show_parked(wishes, Console(), as_json=as_json)


async def _retry(model: Model, projection: str, stream: str, patience: float) -> int:
    async with open_wishes(model) as wishes:
        return await watch_retry(wishes, (projection, stream), Console(), patience)


async def show_parked(wishes: Wishes, console: Console, *, as_json: bool = False) -> int:
    """Print the parked streams; return the exit code."""
    streams = await wishes.report.parked()
    if as_json:
        click.echo(msgspec.json.encode(streams))
    elif not streams:
        console.print("no stream is parked")
    else:
        names = ("projection", "tenant", "stream", "position", "attempts", "since", "reason")
        show_rows(console, names, [_row(one) for one in streams])
    return 1 if streams else 0


def _row(one: ParkedStream) -> tuple[str, ...]:
    where = (f"{one.projection} ({one.generation})", one.tenant_id, one.stream, str(one.position), str(one.attempts))
    return (*where, f"{one.parked_at:%Y-%m-%d %H:%M:%S}", one.reason)


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
    code, said = await wishes.retried(what, "projector", patience_seconds)
    console.print(said, highlight=False, soft_wrap=True)
    return code
