"""What the commands about projections and deliveries share: the database of a system, opened beside its processes to ask a
running role for something."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic

from msgspec import Struct

from armature.adapters.sqlite.ddl import SqliteDdl
from armature.cli.opening import REFUSED
from armature.engine.call import Sources
from armature.engine.delivery_log import DeliveryLog, ReadLog
from armature.engine.generations import Ddl, Generations
from armature.engine.migrations import found, status
from armature.engine.projection_report import ProjectionReport
from armature.engine.requests import Requests
from armature.engine.set_aside import LogOf, SetAside
from armature.kernel.refusals import Unavailable
from armature.ports.database import Database
from armature.runtime.addresses import Addresses, resolve_addresses
from armature.runtime.logs import opened
from armature.runtime.model import Model
from armature.runtime.placing import homed
from armature.runtime.project import Project, load_project
from armature.runtime.vendors import ground_of, migrator_of

__all__ = ["Wishes", "open_wishes", "refuse_absent", "wishes_of"]

_LOOK_SECONDS = 0.1


class Wishes(Struct, frozen=True):
    """Asking and looking, on one database."""

    requests: Requests
    report: ProjectionReport
    aside: SetAside

    async def unknown(self, projection: str) -> str | None:
        """Return words when nobody has built such a projection, None when it is known."""
        names = await self.report.names()
        if projection in names:
            return None
        known = f"known are: {', '.join(names)}" if names else "none was built here yet; start the system once (armature run)"
        return f"there is no projection {projection!r}; {known}"

    async def retried(self, what: tuple[str, str], role: str, patience_seconds: float) -> tuple[int, str]:
        """Ask `role` to try (name, stream or nothing) again and wait for its end; return the exit code and what to say."""
        id = await self.requests.ask("retry", *what)
        until = monotonic() + patience_seconds
        while (request := await self.requests.get(id)) is not None and request.state in ("asked", "running"):
            if monotonic() > until:
                await self.requests.end(id, "withdrawn", f"no {role} answered in time")
                return REFUSED, f"no process with the {role} role answered; start one (armature run), then retry"
            await asyncio.sleep(_LOOK_SECONDS)
        if request is None:
            return 1, "the request is gone"
        return int(request.state != "done"), request.detail


def wishes_of(
    database: Database, ddl: Ddl | None = None, archive: Path = Path("archive"), elsewhere: LogOf | None = None
) -> Wishes:
    """Return what can be asked of an open database."""
    now = Sources.utc_now
    requests = Requests(database, now)
    report = ProjectionReport(database, Generations(database, ddl or SqliteDdl(), now), requests)
    return Wishes(requests, report, SetAside(database, DeliveryLog(database, archive), now, elsewhere))


@asynccontextmanager
async def open_wishes(model: Model) -> AsyncIterator[Wishes]:
    """Open a system's database beside the processes that use it; `Unavailable` where no system was started yet."""
    whole = load_project(model.root)
    project, addresses = homed(model, whole), resolve_addresses(model, os.environ)
    refuse_absent(model, project, addresses)
    ground = ground_of(model, project, addresses)
    async with AsyncExitStack() as stack:
        await ground.database.open()
        stack.push_async_callback(ground.close)

        async def elsewhere(log: str) -> ReadLog | None:
            others = await stack.enter_async_context(opened(model, whole, os.environ))
            return next((one.log for one in others if one.log.identity.log == log), None)

        yield wishes_of(ground.database, ground.ddl, model.archive_path, elsewhere)


def refuse_absent(model: Model, project: Project, addresses: Addresses) -> None:
    """Raise `Unavailable` where no system was started yet, or none of this release: a command that looks makes no database."""
    sqlite = model.environment.database.adapter == "sqlite"
    if sqlite and not model.database_path.exists():
        cure = "start the system once (armature run), or name its folder with --data"
        raise Unavailable(what=f"there is no database at {model.database_path}; {cure}")
    migrator = migrator_of(model, project, addresses)
    folders = [(module.name, module.folder) for module in project.modules]
    if any(one.state == "pending" for one in status(found(folders, migrator.dialect), migrator.applied())):
        which = f"the database {model.database_path}" if sqlite else "the database"
        raise Unavailable(what=f"{which} is not migrated; start the system once (armature run), or call armature migrate")
