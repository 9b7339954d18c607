"""A whole system on PostgreSQL in this process: pipeline, adapters, roles and HTTP application; only the socket is missing."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec.structs import replace

from armature.engine import migrations
from armature.runtime.addresses import resolve_addresses
from armature.runtime.model import Model, load
from armature.runtime.process import Part, System, open_system
from armature.runtime.project import load_project
from armature.runtime.vendors import migrator_of
from armature.runtime.wire import Given
from armature.testing.client import Client

from .server import PROJECT

__all__ = ["Whole", "migrate", "through", "whole"]


class Whole(Client):
    """`system` is what no request can reach."""

    system: System

    async def counter(self, name: str = "c") -> str:
        """Create a counter; return its path."""
        made = await self.post("/v1/counters", json={"name": name})
        assert made.status == 201, made.body
        return f"/v1/counters/{made.json()['id']}"


@asynccontextmanager
async def whole(
    url: str,
    data: Path,
    *,
    topology: str = "single-postgres",
    part: str | None = None,
    given: Given | None = None,
    without: Sequence[str] = (),
    **environ: str,
) -> AsyncIterator[Whole]:
    """Open a system on the database at `url`, all of it or one process, `without` some roles; `environ` are further variables
    (`ARMATURE_POSTGRES__LOCK_SECONDS="0.2"`)."""
    variables: Mapping[str, str] = {"ARMATURE_POSTGRES_URL": url, **environ}
    model = _without(_model(topology, variables, data), without)
    there = Whole()
    there.system = await open_system(model, load_project(PROJECT), variables, given=given, part=Part(part))
    there.asgi = there.system.app
    try:
        yield there
    finally:
        await there.system.close()


def _without(model: Model, roles: Sequence[str]) -> Model:
    processes = {
        name: replace(spec, roles=[role for role in spec.roles if role not in roles])
        for name, spec in model.topology.processes.items()
    }
    return replace(model, topology=replace(model.topology, processes=processes))


def migrate(url: str) -> None:
    """Make all tables and lanes of the project in a database."""
    variables = {"ARMATURE_POSTGRES_URL": url}
    model, project = _model("single-postgres", variables, Path("data")), load_project(PROJECT)
    migrator = migrator_of(model, project, resolve_addresses(model, variables))
    migrations.migrate(migrator, [(module.name, module.folder) for module in project.modules])


def _model(topology: str, variables: Mapping[str, str], data: Path) -> Model:
    environment = "postgres" if topology == "single-postgres" else topology
    return load(PROJECT, topology=topology, environment=environment, flags={"--data": str(data)}, environ=variables)


def through(url: str, port: int) -> str:
    """Return the address of the same database behind a proxy."""
    head, _, path = url.rpartition("/")
    return f"{head.rpartition(':')[0]}:{port}/{path}"
