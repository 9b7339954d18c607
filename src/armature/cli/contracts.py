"""`armature contracts`: write what is derived from code and committed, or check that the promise still holds."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from armature.cli.opening import REFUSED, explained, model_options, open_model
from armature.engine.policies import Policies
from armature.runtime.contracts.folder import ContractsRefused, NotKept, breaks, drift, drop, write
from armature.runtime.contracts.released import FOLDER, NoBase, base_at
from armature.runtime.project import Project, load_project
from armature.runtime.promises import refuse_unsayable
from armature.runtime.schemas import write_schemas

__all__ = ["contracts"]


@click.command()
@model_options
@click.option("--check", is_flag=True, help="Write nothing; fail when a file differs from the code.")
@click.option("--against", metavar="REV|DIR", help="Write nothing; tell what breaks those who use that release, and fail.")
@click.option("--break", "reason", metavar="REASON", help="Write a breaking change, and the reason into contracts/breaks.md.")
@click.option("--drop", "package", metavar="NAME.vN", help="Remove the documents of an older contract version.")
@explained("contracts")
def contracts(check: bool, against: str | None, reason: str | None, package: str | None, **where: Any) -> None:
    """Write contracts/ from the modules' contracts, with the prefix and the limits of the environment.

    OpenAPI, a .proto and a promise for each contract version, a JSON Schema for each event, AsyncAPI and a catalogue; also the
    schemas below platform/, by which editors know the keys of the model. What would break those who use the committed files is
    not written without a new version of the contract or a reason.
    """
    if reason is not None and not reason.strip():
        click.echo("armature contracts: --break without a reason; say why, for those whom it breaks", err=True)
        sys.exit(REFUSED)
    model = open_model(**where)
    project = load_project(model.root)
    refuse_unsayable(project)
    try:
        if against is not None:
            sys.exit(_judge(project, model.policies, against))
        if check:
            sys.exit(_compare(project, model.policies))
        if package is not None:
            _tell(model.root, drop(project, package), "removed")
        written = write(project, model.policies, reason=reason, today=datetime.now(UTC).date())
    except (ContractsRefused, NoBase, NotKept) as refused:
        click.echo(f"armature contracts: {refused}", err=True)
        sys.exit(1 if isinstance(refused, ContractsRefused) else REFUSED)
    schemas = write_schemas(model.root) if (model.root / "platform").is_dir() else []
    _tell(model.root, [*written, *schemas], "wrote")


def _compare(project: Project, policies: Policies) -> int:
    for broken in breaks(project, policies):
        click.echo(f"{FOLDER}/{broken.file}: {broken.text}; {broken.cure}", err=True)
    found = drift(project, policies)
    for one in found:
        click.echo(str(one), err=True)
    if not found:
        click.echo("contracts/ agrees with the code")
    return 1 if found else 0


def _judge(project: Project, policies: Policies, against: str) -> int:
    found = breaks(project, policies, dict(base_at(project.root, against)))
    for one in found:
        click.echo(f"{FOLDER}/{one.file}: {one.text}; {one.cure}", err=True)
    if not found:
        click.echo(f"nothing breaks those who use {against}, but what contracts/breaks.md says")
    return 1 if found else 0


def _tell(root: Path, paths: list[Path], what: str) -> None:
    for path in paths:
        click.echo(f"{what} {path.relative_to(root)}")
