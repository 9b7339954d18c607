"""Which generation of each read model this process reads, and waiting until one has seen what a reader has written.

A query resolves its generation once and keeps it, so it never mixes two. A process reads the newest complete generation of
its own fingerprint, so two releases run side by side. It hears of swaps and of progress at once when the projector is in
this process, and by looking otherwise: every second for swaps, every few milliseconds while somebody waits for a position.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import monotonic

from armature.engine.generations import GenerationRow, Generations, Model
from armature.kernel.refusals import ProjectionBuilding
from armature.kernel.statement import Statement
from armature.ports.database import Database

__all__ = ["Generation", "ReadModels"]

# A reader that waits for a projector in another process looks this often; it is refused nothing by looking too early.
_LOOK_SECONDS = 0.02
_NEVER = 2**63

PositionOf = Callable[[int], Awaitable[int | None]]
"""From an outbox id to its position, None while it has none: for databases that number late."""


class Generation:
    """One built state of a projection: its statements on its own tables, and how far it is known to be."""

    def __init__(self, model: Model, number: int, bind: Callable[[Iterable[Statement]], None]) -> None:
        self.model = model
        self.number = number
        self.position = 0
        """Newest position known to be applied; the database may be further."""
        self._renames = model.renames(number)
        self._bind = bind
        self._twins: dict[Statement, Statement] = {}

    def statement(self, statement: Statement) -> Statement:
        """Return the statement on this generation's tables."""
        twin = self._twins.get(statement)
        if twin is None:
            if not (statement.reads | statement.writes) & self._renames.keys():
                raise ValueError(f"{statement.home}: the statement touches no table of the projection {self.model.name}")
            twin = statement.renamed(self._renames)
            self._bind((twin,))
            self._twins[statement] = twin
        return twin


class ReadModels:
    """The read models of one process; built at start, asked for every query that reads one."""

    def __init__(
        self,
        database: Database,
        generations: Generations,
        models: Sequence[Model],
        statements: Iterable[Statement],
        position_wait_seconds: float,
        position_of: PositionOf | None = None,
    ) -> None:
        self._database = database
        self._rows = generations
        self._wait_seconds = position_wait_seconds
        self._position_of = position_of
        self._models = {model.name: model for model in models}
        self._owners = _owners(models)
        self._model_of = {one: owner for one in statements if (owner := self._owner(one)) is not None}
        self._current: dict[str, Generation] = {}
        self._known: dict[tuple[str, int], Generation] = {}
        self._moved: dict[str, asyncio.Event] = {}

    @property
    def statements(self) -> frozenset[Statement]:
        """Every statement that reads or writes a read model."""
        return frozenset(self._model_of)

    @property
    def models(self) -> list[Model]:
        """The projections of this process."""
        return list(self._models.values())

    @property
    def fingerprints(self) -> dict[str, str]:
        """What this release's generation of each projection is known by."""
        return {name: model.fingerprint for name, model in self._models.items()}

    def model_of(self, statement: Statement) -> str | None:
        """Return the projection whose tables the statement touches, or None."""
        return self._model_of.get(statement)

    def current(self, projection: str) -> Generation | None:
        """Return the generation this process reads now; None while it is being built."""
        return self._current.get(projection)

    def generation(self, projection: str, number: int) -> Generation:
        """Return a generation by number, with its statements bound to its tables (which exist)."""
        found = self._known.get((projection, number))
        if found is None:
            found = Generation(self._models[projection], number, self._database.bind)
            for statement, owner in self._model_of.items():
                if owner == projection:
                    found.statement(statement)
            self._known[projection, number] = found
        return found

    async def ready(self, projection: str, after_id: int | None, deadline: float) -> Generation:
        """Return the generation to read, once it has applied `after_id` or the wait is over (laws 8).

        `deadline` is in seconds of `time.monotonic()`. What is returned says how far it is (`position`).
        """
        current = self._current.get(projection)
        until = min(deadline, monotonic() + self._wait_seconds)
        after = after_id if after_id is None or self._position_of is None else await self._numbered(after_id, until)
        if current is not None and (after is None or current.position >= after):
            return current
        while True:
            await self.look(projection)
            current = self._current.get(projection)
            if current is None:
                raise ProjectionBuilding(projection=projection)
            left = until - monotonic()
            if after is None or current.position >= after or left <= 0:
                return current
            # Taken only now: looking has itself told everybody who waited.
            moved = self._moved.setdefault(projection, asyncio.Event())
            await _happens(moved, min(left, _LOOK_SECONDS))

    async def _numbered(self, outbox_id: int, until: float) -> int:
        """Return the position of an event, as soon as it has one; one that gets none in time is beyond every checkpoint."""
        assert self._position_of is not None
        while (position := await self._position_of(outbox_id)) is None:
            left = until - monotonic()
            if left <= 0:
                return _NEVER
            await asyncio.sleep(min(left, _LOOK_SECONDS / 4))
        return position

    async def look(self, projection: str) -> None:
        """Read from the database which generation is current and how far it is."""
        model = self._models[projection]
        rows = [row for row in await self._rows.of(projection) if row.fingerprint == model.fingerprint and row.state == "live"]
        if rows:
            self._adopt(rows[-1])

    async def poll(self) -> None:
        """Look at every projection, and tell the database what this process reads. Called about once a second."""
        for projection in self._models:
            await self.look(projection)

    async def announce(self) -> None:
        """Keep the generations this process reads from being dropped."""
        for projection, generation in list(self._current.items()):
            await self._rows.announce(projection, generation.number)

    def moved(self, row: GenerationRow) -> None:
        """Hear from the projector in this process that a live generation has moved, or has become the live one."""
        self._adopt(row)

    def _adopt(self, row: GenerationRow) -> None:
        current = self._current.get(row.projection)
        if current is None or current.number < row.generation:
            current = self._current[row.projection] = self.generation(row.projection, row.generation)
            for key in [key for key in self._known if key[0] == row.projection and key[1] < row.generation - 1]:
                del self._known[key]
        if current.number == row.generation and current.position < row.position:
            current.position = row.position
        waiting = self._moved.pop(row.projection, None)
        if waiting is not None:
            waiting.set()

    def _owner(self, statement: Statement) -> str | None:
        owners = {self._owners[name] for name in statement.reads | statement.writes if name in self._owners}
        if len(owners) > 1:
            names = " and ".join(sorted(owners))
            raise ValueError(
                f"{statement.home}: the statement touches tables of {names}; a query keeps one generation of one projection: "
                "ask twice, or fold both into one projection"
            )
        return owners.pop() if owners else None


def _owners(models: Sequence[Model]) -> dict[str, str]:
    owners: dict[str, str] = {}
    for model in models:
        for name in model.tables:
            if name in owners:
                raise ValueError(f"the table {name} is created by {owners[name]} and by {model.name}; a table has one owner")
            owners[name] = model.name
    return owners


async def _happens(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
