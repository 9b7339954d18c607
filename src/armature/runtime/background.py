"""What a process does beside answering: the roles of its topology, made from its core, started and stopped together.

The follower is no role: every process that reads read models needs it. A process of this version plays all the roles that
its topology names.
"""

import asyncio
from time import monotonic

from armature.engine.archive import Archive
from armature.engine.generations import Model as ReadModel
from armature.engine.projections import Shop
from armature.engine.requests import Requests
from armature.engine.retention import Retention
from armature.runtime.roles.projector import ProjectorRole, ReadModelFollower, traced
from armature.runtime.roles.sweeper import SweeperRole
from armature.runtime.wire import Core

__all__ = ["Background"]

# A start is to take less than two seconds, with or without a log.
_BUILDING_SECONDS = 1.0
_LOOK_SECONDS = 0.002


class Background:
    """The roles of one process. `start` once, `stop` before the core is closed."""

    def __init__(self, core: Core) -> None:
        policies, models = core.model.policies, core.read_models.models
        named = {role for process in core.model.topology.processes.values() for role in process.roles}
        self._follower = ReadModelFollower(core.read_models, policies.projections.generation_keep_seconds)
        self._projector = _projector(core, models) if "projector" in named else None
        self._sweeper = _sweeper(core, models) if "sweeper" in named else None
        if self._projector is not None:
            core.told.append(self._projector.wake)
            core.instruments.watch_log(self._projector.watch.head)
            core.instruments.watch_projections(self._projector.watch.states)

    async def start(self) -> None:
        """Begin all of them. A small log has its read models when this returns; a large one builds them beside the answers."""
        for role in (self._projector, self._follower, self._sweeper):
            if role is not None:
                role.start()
        until = monotonic() + _BUILDING_SECONDS
        while self.readiness() and monotonic() < until:  # noqa: ASYNC110  (readiness is asked, nobody announces it)
            await asyncio.sleep(_LOOK_SECONDS)

    async def stop(self) -> None:
        """Finish what is in hand and end, who works first."""
        for role in (self._sweeper, self._projector, self._follower):
            if role is not None:
                await role.stop()

    def readiness(self) -> list[str]:
        """Return why this process should not be asked; empty when all is well."""
        return self._projector.readiness() if self._projector is not None else []


def _projector(core: Core, models: list[ReadModel]) -> ProjectorRole:
    now = core.parts.sources.now
    shop = Shop(
        core.database,
        core.log,
        core.generations,
        core.read_models,
        Requests(core.database, now),
        core.model.policies.projections,
        now,
        traced(core.tracer),
    )
    return ProjectorRole(shop, models)


def _sweeper(core: Core, models: list[ReadModel]) -> SweeperRole:
    policies, now = core.model.policies, core.parts.sources.now
    keep = policies.projections.generation_keep_seconds
    return SweeperRole(
        Retention(core.database, policies.retention, now),
        Archive(core.database, core.model.archive_path, policies.retention, now, keep),
        core.generations,
        models,
        policies,
    )
