"""What `armature run` does with a topology of several processes: the command line of each child, and how its lines are shown."""

import os
import sys
from collections.abc import Callable, Mapping

import click

from armature.runtime.children import Child, children_of
from armature.runtime.model import Model
from armature.runtime.supervisor import Show, Supervisor

__all__ = ["attributed", "supervise"]

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_yellow", "bright_magenta")
_RUN = "from armature.cli.main import main; main()"
_STOP_SECONDS = 5.0


def attributed(line: str, name: str) -> str:
    """Return a line of JSON with who wrote it as its first field, `process`; nothing when it is none, and is for people.

    A machine that reads it could not tell the processes of one stream apart, and takes no name in front of it.
    """
    if not (line.startswith('{"') and line.endswith("}")):
        return ""
    return f'{{"process":"{name}",{line[1:]}'


async def supervise(model: Model, given: Mapping[str, str | None]) -> int:
    """Run the processes of the model's topology; `given` are the flags they inherit. Returns the exit code."""
    children = children_of(model)
    http = model.policies.http
    grace = http.drain_notice_seconds + http.drain_seconds + _STOP_SECONDS
    show = _shown(model, children)
    if model.policies.observe.log_format == "auto" and sys.stdout.isatty():
        # A child's output is a pipe to us, and the terminal is behind it.
        os.environ.setdefault("ARMATURE_OBSERVE__LOG_FORMAT", "text")
    return await Supervisor(children, _command(model, given), show, grace_seconds=grace).run()


def _command(model: Model, given: Mapping[str, str | None]) -> Callable[[Child, int], list[str]]:
    def command(child: Child, tether: int) -> list[str]:
        words = [sys.executable, "-c", _RUN, "run", "--process", child.process, "--tether", str(tether)]
        words += ["--topology", model.topology.name, "--environment", model.environment.name, child.flag, str(child.port)]
        if child.admin_port is not None:
            words += ["--admin-port", str(child.admin_port)]
        if child.grpc_port is not None:
            words += ["--grpc-port", str(child.grpc_port)]
        for name, value in given.items():
            words += [f"--{name}", value] if value is not None else []
        return words

    return command


def _shown(model: Model, children: list[Child]) -> Show:
    width = max(len(child.name) for child in children)
    colours = {child.name: _COLOURS[at % len(_COLOURS)] for at, child in enumerate(children)}
    host, prefix = model.policies.http.host, model.policies.http.prefix.format(version=1)

    def head(child: Child) -> str:
        # click leaves colours out where the output is no terminal.
        return click.style(f"{child.name:{width}} | ", fg=colours[child.name])

    def line(child: Child, text: bytes) -> None:
        shown = text.decode(errors="replace")
        click.echo(attributed(shown, child.name) or head(child) + shown)

    def word(child: Child, text: str) -> None:
        click.echo(head(child) + click.style(text, bold=True))

    def ready(seconds: float) -> None:
        click.echo(f"Armature is ready after {seconds:.2f} s: {len(children)} processes. Data: {model.data}")
        for child in sorted(children, key=lambda child: not child.takes_requests):
            if child.takes_requests:
                click.echo(f"  API        http://{host}:{child.port}{prefix}   ({child.name})")
            else:
                click.echo(f"  health     http://{host}:{child.port}/readyz   ({child.name})")
        click.echo("Stop with Ctrl-C.")
        sys.stdout.flush()

    return Show(line, word, ready)
