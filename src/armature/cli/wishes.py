"""What the commands about projections share: the database of a system, opened to ask a running role for something."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from armature.adapters.sqlite.database import SqliteDatabase
from armature.adapters.sqlite.ddl import translate
from armature.engine.call import Sources
from armature.engine.generations import Generations
from armature.engine.policies import DatabasePolicy, QueryPolicy
from armature.engine.projection_report import ProjectionReport
from armature.engine.requests import Requests
from armature.kernel.refusals import Unavailable
from armature.ports.database import Database

__all__ = ["Wishes", "open_wishes", "wishes_of"]


class Wishes(Struct, frozen=True):
    """Asking and looking, on one database."""

    requests: Requests
    report: ProjectionReport

    async def unknown(self, projection: str) -> str | None:
        """Return words when nobody has built such a projection, None when it is known."""
        names = await self.report.names()
        if projection in names:
            return None
        known = f"known are: {', '.join(names)}" if names else "none was built here yet; start the system once (armature run)"
        return f"there is no projection {projection!r}; {known}"


def wishes_of(database: Database) -> Wishes:
    """Return what can be asked of an open database."""
    requests = Requests(database, Sources.utc_now)
    return Wishes(requests, ProjectionReport(database, Generations(database, translate, Sources.utc_now), requests))


@asynccontextmanager
async def open_wishes(path: Path) -> AsyncIterator[Wishes]:
    """Open a system's database beside the processes that use it."""
    _refuse_absent(path)
    database = SqliteDatabase(path, policy=DatabasePolicy(), queries=QueryPolicy(), turn_seconds=1.0)
    await database.open()
    try:
        yield wishes_of(database)
    finally:
        await database.close()


def _refuse_absent(path: Path) -> None:
    if not path.exists():
        cure = "start the system once (armature run), or name its folder with --data"
        raise Unavailable(what=f"there is no database at {path}; {cure}")
