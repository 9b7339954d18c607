"""One projection as a process keeps it: its live generation, the one being built, and the wishes about it.

`step` is the whole life, one bounded piece at a time: take wishes, move the live generation, move the one being built, put
it in the other's place when it has caught up. Every piece can be killed and is found again in the database as it stood,
because generations, checkpoints and wishes are rows and nothing else is remembered.
"""

from collections.abc import Callable
from datetime import datetime
from time import monotonic

from msgspec import Struct

from armature.engine.checkpoints import ahead
from armature.engine.crash import crashpoint
from armature.engine.event_log import EventLog, Stream
from armature.engine.generations import GenerationRow, Generations, Model
from armature.engine.policies import ProjectionPolicy
from armature.engine.projector import OnBatch, Outcome, Projector
from armature.engine.read_models import ReadModels
from armature.engine.requests import Request, Requests
from armature.ports.database import Database

__all__ = ["HostedProjection", "ProjectionHealth", "Shop"]

# How often a projection looks for wishes, and for generations that another process made or swapped.
_LOOK_SECONDS = 1.0


class Shop(Struct, frozen=True):
    """What all projections of one process share."""

    database: Database
    log: EventLog
    generations: Generations
    models: ReadModels
    requests: Requests
    policy: ProjectionPolicy
    now: Callable[[], datetime]
    on_batch: OnBatch | None = None


class ProjectionHealth(Struct, frozen=True):
    """How a projection is, as far as its projector knows; `generation` is 0 before there is one."""

    projection: str
    generation: int
    state: str
    position: int
    parked: int
    halted: str
    idle_since: float | None
    behind_since: datetime | None


class _Retry(Struct):
    """A wish to try parked streams again, as far as it is done."""

    wish: Request
    left: list[tuple[Projector, Stream]]
    tried: int
    failed: list[str]


class HostedProjection:
    """One projection of this process. Only its role calls `step`, and never twice at once."""

    def __init__(self, model: Model, shop: Shop) -> None:
        self.model = model
        self.live: Projector | None = None
        self.building: Projector | None = None
        self._shop = shop
        self._look_at = 0.0
        self._announce_at = 0.0
        self._retries: list[_Retry] = []

    async def step(self) -> bool:
        """Do the next bounded piece of work; False when there is none until something happens."""
        if monotonic() >= self._look_at:
            await self.look()
        busy = False
        if self._retries:
            running = self._retries[0]
            await (self._retry(running) if running.left else self._finish(running))
            busy = True
        if self.live is not None:
            busy |= await self._live(self.live)
        if self.building is not None:
            busy |= await self._build(self.building)
        return busy

    @property
    def caught_up(self) -> bool:
        """True when the last step left nothing that was there when it began."""
        return self.live is not None and self.live.caught_up and self.building is None and not self._retries

    async def look(self) -> None:
        """Read generations and wishes from the database; begin what is missing or asked for."""
        self._look_at = monotonic() + _LOOK_SECONDS
        wishes = await self._shop.requests.open(self.model.name)
        await self._adopt()
        await self._compare()
        await self._announce()
        replays = [wish for wish in wishes if wish.kind == "replay" and wish.state == "asked"]
        if self.building is None and (replays or self.live is None):
            await self._begin(replays.pop(0).id if replays else None)
        for wish in replays:
            if self.building is not None:
                await self._shop.requests.join(wish.id, self.building.row.generation)
        known = {running.wish.id for running in self._retries}
        for wish in wishes:
            if wish.kind == "retry" and wish.id not in known:
                streams = await self._parked(wish)
                self._retries.append(_Retry(wish, streams, len(streams), []))

    def health(self) -> ProjectionHealth:
        """Say how it is, without asking the database."""
        name, at, other = self.model.name, self.live or self.building, self.building
        if at is None:
            return ProjectionHealth(name, 0, "building", 0, 0, "", None, None)
        parked = len(at.parked) + (len(other.parked) if other is not None and other is not at else 0)
        halted = at.halted or (other.halted if other is not None else "")
        row = at.row
        where = (name, row.generation, row.state, row.position)
        return ProjectionHealth(*where, parked, halted, at.idle_since, at.behind_since)

    async def _announce(self) -> None:
        # Nobody reads a generation while it is built; without a word the sweeper of another release would drop it.
        if monotonic() >= self._announce_at:
            self._announce_at = monotonic() + self._shop.policy.generation_keep_seconds / 10
            for one in (self.live, self.building):
                if one is not None:
                    await self._shop.generations.announce(self.model.name, one.row.generation)

    async def _compare(self) -> None:
        """Halt what has come further than the log goes (I11)."""
        head = await self._shop.log.head()
        for one in (self.live, self.building):
            if one is not None:
                one.ahead = one.ahead or ahead(f"projection {self.model.name}", one.row.position, head)

    async def _begin(self, request: int | None) -> None:
        await self._shop.generations.create(self.model, await self._shop.log.head(), request)
        await self._adopt()

    async def _adopt(self) -> None:
        rows = [row for row in await self._shop.generations.of(self.model.name) if row.fingerprint == self.model.fingerprint]
        live = next((row for row in reversed(rows) if row.state == "live"), None)
        building = next((row for row in reversed(rows) if row.state == "building"), None)
        self.live = self._projector(live, self.live, self.building)
        self.building = self._projector(building, self.building)
        if live is not None:
            self._shop.models.moved(live)

    def _projector(self, row: GenerationRow | None, *before: Projector | None) -> Projector | None:
        if row is None:
            return None
        for known in before:
            if known is not None and known.row.generation == row.generation:
                known.adopt(row)
                return known
        twins = self._shop.models.generation(row.projection, row.generation).statement
        shop = self._shop
        return Projector(shop.database, shop.log, self.model, row, shop.policy, twins)

    async def _live(self, projector: Projector) -> bool:
        outcome = await projector.step(self._shop.now(), self._shop.on_batch)
        if outcome in (Outcome.MOVED, Outcome.PARKED, Outcome.LOST):
            self._shop.models.moved(projector.row)
        if outcome is Outcome.GONE:
            self._look_at = 0.0
        return outcome not in (Outcome.IDLE, Outcome.HALTED, Outcome.LOST)

    async def _build(self, projector: Projector) -> bool:
        outcome = await projector.step(self._shop.now())
        if outcome in (Outcome.IDLE, Outcome.MOVED) and projector.caught_up:
            return await self._swap(projector) or outcome is Outcome.MOVED
        if outcome is Outcome.HALTED and self.live is not None:
            # Somebody asked for it and the live one serves: say no, and leave everything as it was.
            await self._shop.generations.give_up(projector.row, projector.halted)
            self.building = None
        if outcome is Outcome.GONE:
            self._look_at = 0.0
        return outcome not in (Outcome.HALTED, Outcome.LOST)

    async def _swap(self, projector: Projector) -> bool:
        if projector.parked:
            return False
        crashpoint("replay.built")
        swapped = await self._shop.generations.swap(self.model, projector.row)
        if swapped:
            crashpoint("replay.swapped")
        else:
            # The live one has gone on, or another process was first: look again.
            await projector.load()
        await self._adopt()
        return True

    async def _retry(self, running: _Retry) -> None:
        projector, key = running.left[0]
        stream = projector.parked.get(key)
        reason = await projector.retry(stream) if stream is not None else None
        if stream is not None and reason is None and key in projector.parked:
            return
        running.left.pop(0)
        if stream is not None and reason is not None:
            running.failed.append(f"{stream.tenant_id} {stream.stream} at position {stream.position}: {reason}")

    async def _finish(self, running: _Retry) -> None:
        failed = running.failed
        detail = "\n".join([f"{running.tried} tried, {len(failed)} still parked", *failed[:20]])
        await self._shop.requests.end(running.wish.id, "refused" if failed else "done", detail)
        self._retries.pop(0)

    async def _parked(self, wish: Request) -> list[tuple[Projector, Stream]]:
        both = [one for one in (self.live, self.building) if one is not None]
        for projector in both:
            await projector.load()
        return [(one, key) for one in both for key in one.parked if wish.stream in ("", key[1])]
