"""`armature promote`: move a running installation from its SQLite file to PostgreSQL."""

import sys
from time import monotonic
from typing import Any

import click
import msgspec

from armature.cli.ends import Ends, ends_of
from armature.cli.opening import explained, model_options, open_model
from armature.engine.moving import Limits, Moved, Progress, abort, promote
from armature.runtime.project import load_project

__all__ = ["promote_command"]

_SHOW_SECONDS = 1.0


@click.command("promote")
@model_options
@click.option("--to", required=True, metavar="TARGET", help="postgresql://…, env:NAME that holds one, or an environment's name.")
@click.option(
    "--pause",
    "pause_seconds",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0.1, 60),
    help="Writers wait so long at most.",
)
@click.option("--abort", "undo", is_flag=True, help="Undo a promotion that has not switched yet.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON; progress goes to stderr.")
@explained("promote")
def promote_command(to: str, pause_seconds: float, *, undo: bool, as_json: bool, **chosen: Any) -> None:
    """Copy everything to an empty PostgreSQL database while the system serves, then switch writes off on the old file.

    Killed at any moment, the same command goes on where it was. Until the switch `--abort` undoes it. After the switch the old
    file refuses writes with 503, and the log says where the data went; start the system with an environment that names the
    new database. Read models are built anew there, from the log. Exit code 2 when it is refused, with the cure.
    """
    model = open_model(**chosen)
    with ends_of(model, load_project(model.root), to) as ends:
        if undo:
            abort(ends.source, ends.target)
            ends.migrate()
            click.echo(f"undone: {model.database_path} goes on as before, {ends.place} is empty")
            return
        moved = promote(ends.source, ends.target, ends.place, Limits(pause_seconds=pause_seconds), _Shown())
        ends.migrate()
    _print(moved, ends, as_json=as_json)


class _Shown:
    """One line a second, and one for each new stage."""

    def __init__(self) -> None:
        self._stage = ""
        self._began = self._shown = monotonic()
        self._first = 0

    def __call__(self, progress: Progress) -> None:
        now = monotonic()
        if progress.stage != self._stage:
            self._stage, self._began, self._first = progress.stage, now, progress.rows
        elif now - self._shown < _SHOW_SECONDS:
            return
        self._shown = now
        rate = (progress.rows - self._first) / max(now - self._began, 0.001)
        said = f"{progress.stage:8} {progress.rows:>10} rows {rate:>8.0f}/s  {progress.waiting:>7} changes wait  {progress.table}"
        click.echo(said.rstrip(), err=True)


def _print(moved: Moved, ends: Ends, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode({"to": ends.place, **msgspec.to_builtins(moved)}) + b"\n")
        return
    if moved.already:
        click.echo(f"nothing to do: the data is in {ends.place} already, log {moved.log}, epoch {moved.epoch}")
    else:
        click.echo(f"moved to {ends.place}: log {moved.log}, epoch {moved.epoch}, head {moved.head}")
        said = f"{moved.copied} rows copied, {moved.followed} changes followed, {moved.compared} rows compared"
        click.echo(f"{said}; writers waited {moved.pause_seconds:.2f} s")
    click.echo(
        "the old file refuses writes from now on. Start the system with an environment whose database is that one\n"
        "  (database: {adapter: postgres, url: env:…}) and the same data folder, since archived segments stay there.\n"
        "  /readyz says `building` until its read models are made anew."
    )
