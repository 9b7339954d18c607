"""The logs of all databases of a topology, opened beside its processes: who follows another one's log is judged by that."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from msgspec import Struct

from armature.engine.delivery_log import DeliveryLog
from armature.engine.migrations import found, status
from armature.ports.database import Database
from armature.runtime.addresses import resolve_addresses
from armature.runtime.model import Model
from armature.runtime.placing import homed
from armature.runtime.project import Project
from armature.runtime.vendors import ground_of, migrator_of

__all__ = ["Opened", "opened"]


class Opened(Struct, frozen=True):
    """A database of the topology, by its name, and its log, whose `identity` is known and which ended at `head`."""

    home: str
    database: Database
    log: DeliveryLog
    head: int


@asynccontextmanager
async def opened(model: Model, project: Project, environ: Mapping[str, str]) -> AsyncIterator[list[Opened]]:
    """Open every database that a process of the topology lives on, but those that were never started."""
    async with AsyncExitStack() as stack:
        homes = sorted({process.database for process in model.topology.processes.values()})
        yield [one for home in homes if (one := await _open(model.on(home), project, environ, stack)) is not None]


async def _open(model: Model, project: Project, environ: Mapping[str, str], stack: AsyncExitStack) -> Opened | None:
    own, addresses = homed(model, project), resolve_addresses(model, environ)
    if model.environment.database.adapter == "sqlite" and not model.database_path.exists():
        return None
    migrator = migrator_of(model, own, addresses)
    folders = [(module.name, module.folder) for module in own.modules]
    if any(one.state == "pending" for one in status(found(folders, migrator.dialect), migrator.applied())):
        return None
    ground = ground_of(model, own, addresses)
    await ground.database.open()
    stack.push_async_callback(ground.close)
    log = DeliveryLog(ground.database, model.archive_path)
    return Opened(model.home, ground.database, log, await log.look())
