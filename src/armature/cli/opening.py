"""What every command begins with: where the project is, which model holds, and refusals in words instead of traces."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from armature.edges.http.server import CannotListen
from armature.kernel.refusals import Unavailable
from armature.ports.migrator import SchemaRefused
from armature.ports.trace import TraceError
from armature.runtime.model import Model, ModelError, load
from armature.runtime.process import project_root

__all__ = ["REFUSED", "explained", "model_options", "open_model", "refusals"]

F = TypeVar("F", bound=Callable[..., Any])

REFUSED = 2
"""Exit code when a command could not begin; 1 is for what it found."""

_REFUSALS = (ModelError, CannotListen, SchemaRefused, Unavailable, TraceError)


def model_options(command: F) -> F:
    """Add the options that choose a model."""
    for option in (
        click.option("--data", metavar="DIR", help="Folder for everything the system keeps."),
        click.option("--environment", default="dev", show_default=True, help="platform/environments/NAME.yaml"),
        click.option("--topology", default="single", show_default=True, help="platform/topologies/NAME.yaml"),
    ):
        command = option(command)
    return command


def open_model(topology: str, environment: str, **flags: str | None) -> Model:
    """Read the model of the project that the working directory belongs to."""
    given = {f"--{name.replace('_', '-')}": value for name, value in flags.items() if value is not None}
    return load(project_root(Path.cwd()), topology=topology, environment=environment, flags=given, environ=os.environ)


@contextmanager
def refusals(command: str) -> Iterator[None]:
    """Turn what can be explained into one message and an exit code."""
    try:
        yield
    except _REFUSALS as refused:
        click.echo(f"armature {command}: {refused}", err=True)
        sys.exit(REFUSED)
    except BrokenPipeError:  # the reader of our output has left
        sys.stderr.close()


def explained(name: str) -> Callable[[F], F]:
    """Run a command inside `refusals`."""

    def wrap(command: F) -> F:
        @wraps(command)
        def run(*args: Any, **kwargs: Any) -> Any:
            with refusals(name):
                return command(*args, **kwargs)

        return run  # type: ignore[return-value]

    return wrap
