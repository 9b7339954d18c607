"""A second look at the log that does not believe the projectors: how old is what they have not applied, and is their head
the table's head?

A projector that reads a head which no longer moves sees no work, reports no lag and looks healthy for ever. So the head is
asked here, from the table, and compared with what each projector believed a whole interval later: one that says "nothing to
do" behind a position that was there before is frozen. Lag is asked from the table too, so a projector that hangs shows.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from time import monotonic

from armature.engine.event_log import EventLog
from armature.engine.instruments import ProjectionState
from armature.engine.policies import ProjectionPolicy
from armature.engine.projections import HostedProjection, ProjectionHealth

__all__ = ["LogWatch"]


class LogWatch:
    """The health of the projections of one process. `check` asks the database; all else hands out what it found."""

    def __init__(
        self, log: EventLog, hosted: Sequence[HostedProjection], policy: ProjectionPolicy, now: Callable[[], datetime]
    ) -> None:
        self._log = log
        self._hosted = hosted
        self._policy = policy
        self._now = now
        self._head = 0
        self._checked_at: float | None = None
        self._pending: dict[str, tuple[int, datetime]] = {}
        self._frozen: dict[str, str] = {}

    async def check(self) -> None:
        """Compare every projection with the table. Called every `head_check_seconds`."""
        before, since = self._head, self._checked_at
        for one in self._hosted:
            health = one.health()
            told = await self._log.told_at(health.position)
            self._pending.pop(health.projection, None)
            if told is not None:
                self._pending[health.projection] = health.position, told
            self._frozen.pop(health.projection, None)
            idle = since is not None and health.idle_since is not None and health.idle_since > since
            if idle and health.position < before:
                self._frozen[health.projection] = (
                    f"{health.projection}: log head frozen: the projector sees nothing after position {health.position}, "
                    f"the table had {before}"
                )
        # After the projections: what they are compared with next time must have been there all the while.
        self._head = await self._log.head()
        self._checked_at = monotonic()

    def head(self) -> float | None:
        """Return the newest position known, None before the first check; for the gauge."""
        if self._checked_at is None:
            return None
        return float(max([self._head, *(one.health().position for one in self._hosted)]))

    def states(self) -> Mapping[str, ProjectionState]:
        """Return position, lag and parked streams by projection; for the gauges."""
        found = {}
        for one in self._hosted:
            health = one.health()
            found[health.projection] = ProjectionState(health.position, self._lag(health), health.parked)
        return found

    def readiness(self) -> list[str]:
        """Return why this process should not be asked, in words; empty when all is well."""
        reasons = list(self._frozen.values())
        for one in self._hosted:
            health = one.health()
            if health.halted:
                reasons.append(f"{health.projection}: halted: {health.halted}")
            lag = self._lag(health)
            if health.state == "building":
                # Before there is a generation to read, its routes answer projection:building; routers may know earlier.
                reasons.append(f"{health.projection}: the read model is being built, {health.position} events so far")
            elif lag > (slo := one.model.projection.lag_slo_seconds or self._policy.lag_slo_seconds):
                reasons.append(f"{health.projection}: {lag:.0f} s behind the log, allowed are {slo:g} s")
        return reasons

    def _lag(self, health: ProjectionHealth) -> float:
        position, told = self._pending.get(health.projection, (-1, None))
        if health.position != position:
            # It has moved since the check; what it works on now says how old its work is.
            told = health.behind_since
        return max(0.0, (self._now() - told).total_seconds()) if told is not None else 0.0
