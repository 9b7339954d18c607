"""`armature doctor`: can this machine run the system, are its servers fit for it, and if not, what helps?"""

import asyncio
import os
import sys
from collections.abc import Iterator

import apsw
import click
import msgspec

from armature.cli.opening import explained, model_options, open_model
from armature.engine.consumers import Consumers, Marks
from armature.kernel.refusals import Unavailable
from armature.runtime.addresses import Addresses, resolve_addresses
from armature.runtime.diagnosis import Diagnosis, error
from armature.runtime.doctor import Versions, diagnose
from armature.runtime.doctor_certificates import examine_certificates
from armature.runtime.doctor_consumers import examine_consumers
from armature.runtime.doctor_marks import examine_marks
from armature.runtime.doctor_servers import examine_owner, examine_schema, examine_servers
from armature.runtime.model import Model
from armature.runtime.placing import homed
from armature.runtime.problems import ModelError
from armature.runtime.project import Project, load_project, reaction_names
from armature.runtime.seating import refuse_unseated
from armature.runtime.vendors import ground_of, inquiries, migrator_of

__all__ = ["doctor"]

_MARKS = {"ok": ("ok     ", "green"), "warning": ("warning", "yellow"), "error": ("error  ", "red")}


@click.command()
@model_options
@click.option("--host", help="Address that would be listened on.")
@click.option("--port", help="Port that would be listened on; several processes count up from it.")
@click.option("--grpc-port", help="Port for calls over gRPC.")
@click.option("--admin-port", help="Port for /metrics and /docs.")
@click.option("--health-port", help="Port for the health of a process that takes no requests.")
@click.option("--json", "as_json", is_flag=True, help="Print data for a script.")
@explained("doctor")
def doctor(topology: str, environment: str | None, as_json: bool, **flags: str | None) -> None:
    """Look at Python, SQLite, disk, ports and clock, ask the environment's servers for their settings, and hold the marks of who
    reads the log against it.

    Each trouble comes with a cure. Exit code 1 if a start would fail.
    """
    model = open_model(topology, environment, **flags)
    found = [*diagnose(model, Versions(apsw.sqlite_lib_version())), *examine_certificates(model), *_seats(model), *_beyond(model)]
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        for one in found:
            mark, colour = _MARKS[one.status]
            click.echo(f"{click.style(mark, fg=colour)}  {one.about}: {one.text}" + (f"; {one.cure}" if one.cure else ""))
    sys.exit(any(one.status == "error" for one in found))


def _seats(model: Model) -> Iterator[Diagnosis]:
    """What a start refuses of the topology itself."""
    try:
        refuse_unseated(model, [module.facts() for module in load_project(model.root).modules])
    except ModelError as refused:
        for one in refused.problems:
            yield error("topology", f"{one.file}: {one.key}: {one.text}", one.cure)


def _beyond(model: Model) -> Iterator[Diagnosis]:
    """What is not this machine's: servers, and the tables in the database."""
    try:
        addresses = resolve_addresses(model, os.environ)
    except ModelError as missing:
        yield from (error(problem.key, problem.text, problem.cure) for problem in missing.problems)
        return
    servers = asyncio.run(examine_servers(model, inquiries(model, addresses)))
    yield from servers
    lost = any(one.status == "error" and one.about.startswith("database") for one in servers)
    if lost or (model.environment.database.adapter == "sqlite" and not model.database_path.exists()):
        return  # nothing to look at, or it was said why
    whole = load_project(model.root)
    project = homed(model, whole)
    schema = examine_schema(migrator_of(model, project, addresses), [(module.name, module.folder) for module in project.modules])
    yield schema
    if schema.status == "warning" and model.environment.database.adapter == "postgres":
        address = addresses.of("database.owner_url" if model.environment.database.owner_url else "database.url")
        owner = next(one for one in inquiries(model, addresses) if one.address == address and one.vendor == "postgres")
        yield from asyncio.run(examine_owner(owner))
    if schema.status == "error":
        return  # what is in the tables cannot be looked at
    try:
        if schema.status == "ok":
            yield from examine_marks(asyncio.run(_marks(model, project, addresses)), reaction_names(whole), model.home)
        consumers = asyncio.run(examine_consumers(model, whole, os.environ))
    except Unavailable as refused:
        text, _, cure = refused.what.removeprefix("database: ").partition("; ")
        yield error("database", text, cure or "armature migrate --status shows where its schema stands")
    else:
        if consumers is not None:
            yield consumers


async def _marks(model: Model, project: Project, addresses: Addresses) -> Marks:
    ground = ground_of(model, project, addresses)
    await ground.database.open()
    try:
        return await Consumers(ground.database).marks()
    finally:
        await ground.close()
