"""`armature client`: write a typed client from the contracts, or check that one is what it would be now."""

import keyword
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from armature.cli.opening import REFUSED, explained, model_options, open_model
from armature.clients.kinds import NotForClients
from armature.clients.output import Package, Strange, drift, write
from armature.clients.python import python_package
from armature.clients.reading import read_surface
from armature.clients.surface import Surface
from armature.clients.typescript import typescript_package
from armature.runtime.project import load_project
from armature.runtime.promises import refuse_unsayable

__all__ = ["client"]

F = TypeVar("F", bound=Callable[..., Any])

_PYTHON_NAME = re.compile(r"[a-z][a-z0-9_]*")
_NPM_NAME = re.compile(r"(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*")
_NEEDED = ("httpx2", "msgspec")
_RELEASE = re.compile(r"\d+\.\d+\.\d+([a-z0-9.+-]*)")


@click.group()
def client() -> None:
    """Write a typed client package from the modules' contracts."""


def _options(command: F) -> F:
    for option in (
        click.option("--check", is_flag=True, help="Write nothing; fail when a file differs from what would be written."),
        click.option("--release", default="1.0.0", show_default=True, help="The package's own version."),
        click.option("--module", "modules", multiple=True, metavar="NAME", help="Only this module; may be repeated."),
        click.option("--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="The package's folder."),
    ):
        command = option(command)
    return model_options(command)


@client.command("python")
@_options
@click.option("--name", default="armature_client", show_default=True, help="How the package is imported.")
@explained("client")
def python(name: str, **given: Any) -> None:
    """Write an installable Python package: asynchronous and blocking, on httpx2 and msgspec.

    The paths have the prefix of the environment. Files that nobody made with this command are never written over.
    """
    if not _PYTHON_NAME.fullmatch(name) or keyword.iskeyword(name):
        _refuse(f"{name!r} cannot be imported; use small letters, digits and _")
    if name in sys.stdlib_module_names or name in _NEEDED:
        _refuse(f"{name!r} would hide a package of that name, which the client itself needs or Python has; choose another")
    _make(given, lambda surface, release: python_package(surface, name, release))


@client.command("typescript")
@_options
@click.option("--name", default="armature-client", show_default=True, help="The name in package.json.")
@explained("client")
def typescript(name: str, **given: Any) -> None:
    """Write a TypeScript package on `fetch`, for browsers and Node 20 or newer, without dependencies.

    The paths have the prefix of the environment. Files that nobody made with this command are never written over.
    """
    if not _NPM_NAME.fullmatch(name):
        _refuse(f"{name!r} is no name of a package; use small letters, digits, - and perhaps a @scope/")
    _make(given, lambda surface, release: typescript_package(surface, name, release))


def _make(given: dict[str, Any], package: Callable[[Surface, str], Package]) -> None:
    out: Path = given["out"]
    if not _RELEASE.fullmatch(given["release"]):
        _refuse(f"--release {given['release']!r} is no version; use three numbers, as 1.4.0")
    try:
        surface = _surface(given["topology"], given["environment"], given["data"], given["modules"])
        made = package(surface, given["release"])
        if not given["check"]:
            for name in write(made, out):
                click.echo(f"wrote {out / name}")
            return
        found = drift(made, out)
    except (NotForClients, Strange) as error:
        _refuse(str(error))
    for one in found:
        click.echo(f"{out}: {one}", err=True)
    if found:
        click.echo("run the command again without --check, and commit what it writes", err=True)
        sys.exit(1)
    click.echo(f"{out} agrees with the contracts")


def _surface(topology: str, environment: str | None, data: str | None, only: Sequence[str]) -> Surface:
    model = open_model(topology, environment, data=data)
    project = load_project(model.root)
    refuse_unsayable(project)
    names = [one.name for one in project.modules]
    for name in only:
        if name not in names:
            _refuse(f"there is no module {name!r}; this project has {', '.join(sorted(names))}")
    contracts = [one for module in project.modules if not only or module.name in only for one in module.contracts]
    return read_surface(contracts, model.policies.http.prefix)


def _refuse(text: str) -> None:
    click.echo(f"armature client: {text}", err=True)
    sys.exit(REFUSED)
