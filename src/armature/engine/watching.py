"""A step of a module's background work as the engine runs it: as the module's service actor, with one commit at its end.

A unit that loses a row to a caller is given up and the step begins anew: it may have asked an outside system, and what it was
told then is old.
"""

import time
from collections.abc import Sequence

from armature.engine.call import Call
from armature.engine.pipeline_parts import Parts
from armature.engine.reactions import service_actor
from armature.engine.work import UnitOfWork, Workshop
from armature.kernel.background import Background
from armature.kernel.refusals import Unavailable
from armature.ports.database import Bound, Committed

__all__ = ["BackgroundRunner"]

# An outside system may be slow; a step that takes longer than this is stuck.
_STEP_SECONDS_MAX = 300.0


class BackgroundRunner:
    """One background of one module."""

    def __init__(self, background: Background, shop: Workshop, parts: Parts) -> None:
        self.name = background.name
        self.pause_seconds = background.pause_seconds
        self._background = background
        self._shop = shop
        self._parts = parts
        self._identity = service_actor(shop.lane)

    async def step(self, fence: Sequence[Bound] = ()) -> bool:
        """Run one step and commit what it planned; True when there is more to do at once.

        `fence` are guards of the commit: while they do not hold, nothing is written (engine/lease.py).
        """
        deadline = time.monotonic() + _STEP_SECONDS_MAX
        call = Call(self._parts.sources, self._background.tenant_id, self._identity, f"background:{self.name}", deadline)
        call.operation = self.name
        work = UnitOfWork(self._shop, call, may_plan=True, read=None)
        call.work = work
        more = await self._background.step(call)
        unit = work.unit(None)
        call.phase = "commit"
        if unit.writes or unit.guards or unit.events:
            unit.guards = [*unit.guards, *fence]
            verdict = await self._parts.database.commit(unit)
            if not isinstance(verdict, Committed):
                raise Unavailable(what=f"{self.name} was not committed ({type(verdict).__name__}); the step begins anew")
            if verdict.last_id is not None:
                self._parts.told()
        call.phase = "done"
        return more
