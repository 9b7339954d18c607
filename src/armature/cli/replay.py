"""`armature replay`: ask the projector role for a new generation of a read model, and watch it being built."""

import asyncio
import sys
from pathlib import Path
from time import monotonic

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from armature.cli.opening import REFUSED, explained, model_options, open_model
from armature.cli.wishes import Wishes, open_wishes
from armature.engine.projection_report import ReplayProgress

__all__ = ["replay", "watch_replay"]

_LOOK_SECONDS = 0.1


@click.command()
@click.argument("projection")
@model_options
@click.option("--patience", default=30.0, show_default=True, help="Seconds to wait for a projector to begin.")
@explained("replay")
def replay(projection: str, topology: str, environment: str, data: str | None, patience: float) -> None:
    """Build PROJECTION anew beside the live one and put it in its place, while the system goes on.

    A process with the projector role does the work (`armature run`); stopping this command does not stop it. Exit code 0 when
    the new generation is live, 1 when it was refused or waits for parked streams, 2 when nobody could be asked.
    """
    model = open_model(topology, environment, data=data)
    sys.exit(asyncio.run(_replay(model.database_path, projection, patience)))


async def _replay(database: Path, projection: str, patience: float) -> int:
    async with open_wishes(database) as wishes:
        return await watch_replay(wishes, projection, Console(stderr=True), patience)


async def watch_replay(wishes: Wishes, projection: str, console: Console, patience_seconds: float) -> int:
    """Ask, then show a bar until the replay ended; return the exit code."""
    if (unknown := await wishes.unknown(projection)) is not None:
        console.print(f"armature replay: {unknown}", highlight=False, soft_wrap=True)
        return REFUSED
    id = await wishes.requests.ask("replay", projection)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    until = monotonic() + patience_seconds
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(f"replay {projection}: waiting for a projector", total=None)
        while True:
            at = await wishes.report.replay(id)
            if at.total:
                bar.update(task, description=f"replay {projection}", completed=at.done, total=at.total)
            if (ended := _ended(at)) is not None:
                break
            if at.request.state == "asked" and monotonic() > until:
                await wishes.requests.end(id, "withdrawn", "no projector took it in time")
                ended = (
                    REFUSED,
                    "no process with the projector role took the request; start one (armature run), then replay again",
                )
                break
            await asyncio.sleep(_LOOK_SECONDS)
    console.print(f"replay {projection}: {ended[1]}", highlight=False, soft_wrap=True)
    return ended[0]


def _ended(at: ReplayProgress) -> tuple[int, str] | None:
    match at.request.state:
        case "done":
            return 0, at.request.detail
        case "refused" | "withdrawn":
            return 1, f"refused: {at.request.detail}"
        case "running" if at.parked and at.done >= at.total > 0:
            return 1, (
                f"generation {at.request.generation} is built, but {at.parked} of its streams are parked and so it does not "
                "become live; see `armature parked`, mend the cause, then `armature parked retry`"
            )
        case _:
            return None
