"""What somebody outside the projectors can ask: which projections there are, how a replay stands, what is parked.

The command line and the console read the same rows the roles write, so they tell the truth from any machine.
"""

from msgspec import Struct

from armature.engine.generations import GenerationRow, Generations
from armature.engine.parking import PARKING_STATEMENTS, ParkedStream, listed
from armature.engine.requests import Request, Requests
from armature.kernel.statement import select
from armature.ports.database import Database

__all__ = ["ProjectionReport", "ReplayProgress"]

NAMES = select(str, "select distinct projection from armature_generations order by projection limit 1000")


class ReplayProgress(Struct, frozen=True):
    """How a replay stands. `done` and `total` are positions of the log; both 0 before it begins."""

    request: Request
    done: int
    total: int
    parked: int


class ProjectionReport:
    """Reads of one database; changes nothing."""

    def __init__(self, database: Database, generations: Generations, requests: Requests) -> None:
        self._database = database
        self._generations = generations
        self._requests = requests
        database.bind((NAMES, *PARKING_STATEMENTS))

    async def names(self) -> list[str]:
        """Return the projections that have a generation."""
        (names,) = await self._database.read(((NAMES, ()),))
        return names

    async def generations(self, projection: str) -> list[GenerationRow]:
        """Return the generations of a projection, oldest first."""
        return await self._generations.of(projection)

    async def parked(self, projection: str = "") -> list[ParkedStream]:
        """Return up to 1 000 parked streams, of one projection or of all."""
        (streams,) = await self._database.read((listed(),))
        return [stream for stream in streams if projection in ("", stream.projection)]

    async def replay(self, id: int) -> ReplayProgress:
        """Return how a replay that was asked for stands."""
        request = await self._requests.get(id)
        if request is None:
            raise LookupError(f"there is no request {id}")
        rows = [row for row in await self._generations.of(request.subject) if row.generation == request.generation]
        if not rows:
            return ReplayProgress(request, 0, 0, 0)
        parked = sum(stream.generation == request.generation for stream in await self.parked(request.subject))
        done = rows[0].position
        return ReplayProgress(request, done, max(done, rows[0].target), parked)
