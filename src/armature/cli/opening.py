"""What every command begins with: where the project is, which model holds, and refusals in words instead of traces."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from armature.adapters.grpc.door import GrpcMissing
from armature.adapters.nats.door import NatsMissing
from armature.adapters.postgres.door import PostgresMissing
from armature.adapters.redis.door import RedisMissing
from armature.edges.http.server import CannotListen
from armature.kernel.refusals import Unavailable
from armature.ports.bus import BusRefused
from armature.ports.migrator import SchemaRefused
from armature.ports.trace import TraceError
from armature.runtime.model import Model, ModelError, load
from armature.runtime.problems import Problem, suggestion
from armature.runtime.process import project_root

__all__ = ["REFUSED", "explained", "model_options", "open_model", "refusals"]

F = TypeVar("F", bound=Callable[..., Any])

_DATABASE = "armature.database"

REFUSED = 2
"""Exit code when a command could not begin; 1 is for what it found."""

_REFUSALS = (
    ModelError,
    CannotListen,
    SchemaRefused,
    BusRefused,
    Unavailable,
    TraceError,
    PostgresMissing,
    GrpcMissing,
    NatsMissing,
    RedisMissing,
)


def _remember(context: click.Context, option: click.Parameter, value: str | None) -> None:
    context.meta[_DATABASE] = value


def _known(model: Model, name: str | None) -> str:
    if name is not None and name not in model.environment.databases:
        known = model.environment.databases
        cure = suggestion(name, known) if known else "leave the option out: the environment has one database"
        text = f"'{name}' is no database of the environment {model.environment.name}"
        raise ModelError([Problem("--database", 0, "", text, cure)])
    return name or ""


def model_options(command: F) -> F:
    """Add the options that choose a model."""
    for option in (
        click.option(
            "--database",
            metavar="NAME",
            expose_value=False,
            callback=_remember,
            help="One of the environment's databases; without it the one that is called database.",
        ),
        click.option("--data", metavar="DIR", help="Folder for everything the system keeps."),
        click.option(
            "--environment", metavar="NAME", help="platform/environments/NAME.yaml; without it the topology's own, else dev."
        ),
        click.option("--topology", default="single", show_default=True, help="platform/topologies/NAME.yaml"),
    ):
        command = option(command)
    return command


def open_model(topology: str, environment: str | None, **flags: str | None) -> Model:
    """Read the model of the project that the working directory belongs to."""
    given = {f"--{name.replace('_', '-')}": value for name, value in flags.items() if value is not None}
    model = load(project_root(Path.cwd()), topology=topology, environment=environment, flags=given, environ=os.environ)
    context = click.get_current_context(silent=True)
    return model.on(_known(model, context.meta.get(_DATABASE)) if context else "")


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
