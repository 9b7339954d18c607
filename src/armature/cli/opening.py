"""What every command begins with: where the project is, which model holds, and refusals in words instead of traces."""

import errno
import os
import signal
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
from armature.runtime.supervisor import REFUSED

__all__ = ["REFUSED", "explained", "model_options", "open_model", "project_here", "refusals", "stoppable"]

F = TypeVar("F", bound=Callable[..., Any])

_DATABASE = "armature.database"

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

_FULL = frozenset([errno.ENOSPC, errno.EDQUOT])
_OF_THE_PLACE = frozenset(
    [errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOENT, errno.ELOOP, *_FULL]
)
"""What is wrong with a place in the file system that somebody named, or with what stands there."""


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


def project_here() -> Path:
    """Return the folder of the project that the working directory belongs to; `ModelError` where there is none.

    Elsewhere everything would be in order: an empty system serves nothing, and nothing can be said against it.
    """
    root = project_root(Path.cwd())
    if not (root / "modules").is_dir() and not (root / "platform").is_dir():
        cure = "change into the folder of a project, or make one: armature new project NAME"
        raise ModelError([Problem(str(root), 0, "", "neither it nor a folder above it has modules/", cure)])
    return root


def open_model(topology: str, environment: str | None, **flags: str | None) -> Model:
    """Read the model of the project that the working directory belongs to."""
    given = {f"--{name.replace('_', '-')}": value for name, value in flags.items() if value is not None}
    model = load(project_here(), topology=topology, environment=environment, flags=given, environ=os.environ)
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
    except OSError as failed:
        if failed.filename is None or failed.errno not in _OF_THE_PLACE:
            raise
        cure = "free some space, then call it again" if failed.errno in _FULL else "name another place, or mend that one"
        place = failed.filename2 or failed.filename
        click.echo(f"armature {command}: {place}: {failed.strerror or failed}; {cure}", err=True)
        sys.exit(REFUSED)


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: what it has started is stopped first."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def explained(name: str) -> Callable[[F], F]:
    """Run a command inside `refusals`."""

    def wrap(command: F) -> F:
        @wraps(command)
        def run(*args: Any, **kwargs: Any) -> Any:
            with refusals(name):
                return command(*args, **kwargs)

        return run  # type: ignore[return-value]

    return wrap
