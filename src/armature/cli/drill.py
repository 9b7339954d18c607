"""`armature drill`: kill everything that can be killed while clients work, then count what was lost."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import click
import msgspec
from rich.box import SIMPLE
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from armature.cli.opening import REFUSED, explained, open_model, stoppable
from armature.runtime.project import load_project
from armature.testing.drill.account import Account
from armature.testing.drill.drill import Drill, Length, Seen, Watch
from armature.testing.servers import MissingServer

__all__ = ["drill_command"]


@click.command("drill")
@click.option("--topology", default="fleet", show_default=True, help="platform/topologies/NAME.yaml")
@click.option("--environment", metavar="NAME", help="platform/environments/NAME.yaml; without it the topology's own.")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(1), help="How long parts are killed.")
@click.option("--kills", default=3, show_default=True, type=click.IntRange(1), help="How often each part is, at least.")
@click.option("--seed", default=1, show_default=True, help="Another seed is another order of deaths.")
@click.option(
    "--acknowledged-min", default=0, help="Go on until so many were, for three times --seconds at most; fail with fewer."
)
@click.option("--json", "as_json", is_flag=True, help="Print the account as JSON.")
@explained("drill")
def drill_command(topology: str, environment: str | None, seed: int, as_json: bool, **asked: Any) -> None:
    """Install the topology afresh, put it under load, kill -9 and restart each of its parts at least three times, and count.

    A part is killed when it works, and callers were served since the last kill: on a slow machine a drill takes longer.

    Callers in a process of their own write down, synced to disk, what they asked and what they were told. In the end that
    history is compared with the database, the read models and what the broker delivered. Exit code 0 when nothing was lost and
    nothing happened twice, 1 when something was, 2 when the drill could not be held.
    """
    model = open_model(topology, environment)
    project = load_project(model.root)
    if all(loaded.name != "counter" for loaded in project.modules):
        click.echo(
            "armature drill: the drill moves counters, and this project has no module counter; run it in one that has", err=True
        )
        sys.exit(REFUSED)
    length = Length(asked["seconds"], asked["kills"], asked["acknowledged_min"])
    drill = Drill(model, project, os.environ, length, seed=seed)
    try:
        with stoppable(), _shown(Console(stderr=True), length.seconds) as watch:
            account = drill.run(watch)
    except (MissingServer, RuntimeError, OSError) as refused:
        click.echo(f"armature drill: {refused}", err=True)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        click.echo("armature drill: stopped; nothing is left running", err=True)
        sys.exit(REFUSED)
    if as_json:
        click.echo(msgspec.json.encode({"topology": topology, "seed": seed, "kills": drill.kills, "account": account}))
    else:
        _print(account, drill.kills)
    enough = account.acknowledged >= length.acknowledged and min(drill.kills.values()) >= length.kills
    if not enough:
        click.echo(f"it proves too little: {account.acknowledged} acknowledged, kills {dict(drill.kills)}", err=True)
    sys.exit(0 if account.clean and enough else 1)


class _shown:
    """A live table on a terminal, a line for each event elsewhere."""

    def __init__(self, console: Console, seconds: float) -> None:
        self._console = console
        self._seconds = seconds
        self._live = Live(console=console, refresh_per_second=5) if console.is_terminal else None
        self._last = ""
        self._events: list[str] = []

    def __enter__(self) -> Watch:
        if self._live is not None:
            self._live.start()
        return self._tell

    def __exit__(self, *gone: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _tell(self, seen: Seen) -> None:
        new = seen.last != self._last
        self._last = seen.last
        if new:
            self._events = [*self._events[-5:], f"{seen.seconds:5.1f} s  {seen.last}"]
        if self._live is not None:
            self._live.update(self._table(seen))
        elif new:
            self._console.print(f"{seen.seconds:5.1f} s  {seen.acknowledged:7} acknowledged  {seen.last}", highlight=False)

    def _table(self, seen: Seen) -> Group:
        table = Table(
            box=SIMPLE, title=f"drill, {min(seen.seconds, self._seconds):.0f} of {self._seconds:.0f} s", title_justify="left"
        )
        table.add_column("part")
        table.add_column("killed", justify="right")
        for name, kills in seen.kills.items():
            table.add_row(name, f"[red]{'† ' * min(kills, 12)}[/]{kills}")
        said = Text(f"  {seen.acknowledged} acknowledged, {seen.in_doubt} answers lost on the way\n")
        return Group(table, said, *(Text(f"  {event}", style="dim") for event in self._events))


def _print(account: Account, kills: Mapping[str, int]) -> None:
    console = Console(highlight=False)
    table = Table(box=SIMPLE, show_header=False)
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_row("killed", ", ".join(f"{name} {times}×" for name, times in kills.items()))
    table.add_row("acknowledged", str(account.acknowledged))
    table.add_row("in doubt to the end", str(account.in_doubt))
    table.add_row("events", str(account.events))
    if account.delivered is not None:
        table.add_row("delivered by the broker", str(account.delivered))
    for name in ("lost", "doubled", "undelivered"):
        found = getattr(account, name)
        table.add_row(name, f"[green]{found}[/]" if not found else f"[red]{found}[/]")
    console.print(table)
    for fault in account.faults:
        console.print(f"[red]contradiction[/] {fault}")
