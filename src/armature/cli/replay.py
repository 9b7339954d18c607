"""`armature replay`: ask the projector role for a new generation of a read model, and watch it being built."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from math import inf
from time import monotonic

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from armature.cli.opening import REFUSED, explained, model_options, open_model
from armature.cli.wishes import Wishes, open_wishes
from armature.engine.projection_report import ReplayProgress
from armature.runtime.model import Model
from armature.runtime.process import open_system
from armature.runtime.project import load_project

__all__ = ["replay", "watch_replay"]

ProjectHere = Callable[[], Awaitable[None]]

_LOOK_SECONDS = 0.1


@click.command()
@click.argument("projection")
@model_options
@click.option("--patience", default=3.0, show_default=True, help="Seconds to wait for a running projector before building here.")
@explained("replay")
def replay(projection: str, topology: str, environment: str | None, data: str | None, patience: float) -> None:
    """Build PROJECTION anew beside the live one and put it in its place, while the system goes on.

    A running process with the projector role does the work, and goes on with it if this command is stopped. When none is
    running, this command does it. Exit code 0 when the new generation is live, 1 when it was refused or waits for parked
    streams, 2 when there is no such projection or nobody to ask.
    """
    model = open_model(topology, environment, data=data)
    sys.exit(asyncio.run(_replay(model, projection, patience)))


async def _replay(model: Model, projection: str, patience: float) -> int:
    async with AsyncExitStack() as here, open_wishes(model) as wishes:

        async def project_here() -> None:
            system = await open_system(model, load_project(model.root), os.environ)
            here.push_async_callback(system.close)

        return await watch_replay(wishes, projection, Console(stderr=True), patience, project_here)


async def watch_replay(
    wishes: Wishes, projection: str, console: Console, patience_seconds: float, project_here: ProjectHere | None = None
) -> int:
    """Ask, then show a bar until the replay ended; return the exit code.

    `project_here` starts a projector in this process; it is called when no other took the request in time.
    """
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
                if project_here is not None:
                    await project_here()
                    project_here, until = None, inf
                    continue
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
