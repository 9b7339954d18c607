"""Reactions as the engine runs them: commands of the module's own service actor, caused by an event.

The event's id is the cause, its correlation goes on, and the inbox row is part of the unit. A conflict over the module's rows
runs the handler again under their lock, as with any command; one over the inbox means that another member was faster.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import msgspec

from armature.engine.call import Call, Identity
from armature.engine.consumer import Wanted
from armature.engine.deadlines import ended
from armature.engine.pipeline_ends import UndeclaredFailure
from armature.engine.pipeline_parts import Parts
from armature.engine.upcasting import newest
from armature.engine.work import ENDED, UnitOfWork, Workshop
from armature.kernel.event import Event, event_type
from armature.kernel.failure import Failure
from armature.kernel.reaction import Reaction
from armature.kernel.refusals import DeadlineExceeded, Unavailable
from armature.ports.bus import Message
from armature.ports.database import Bound, Committed, Conflict, Expired, Read, Unit, Verdict, Violated

__all__ = ["ReactionRunner", "service_actor"]


def service_actor(module: str) -> Identity:
    """Return who acts when a module acts by itself."""
    return Identity(f"module:{module}", frozenset(("*",)), by_itself=True)


class ReactionRunner:
    """One reaction, ready to take events; `wanted` is what its consumer subscribes to."""

    def __init__(self, reaction: Reaction, shop: Workshop, parts: Parts, constraints: dict[str, type[Failure]]) -> None:
        self._methods: dict[str, tuple[Any, type[Event]]] = {}
        for event, attribute in reaction.methods().items():
            self._methods[event_type(event).name] = getattr(reaction, attribute), event
        self.wanted = Wanted(reaction.name, frozenset(self._methods), reaction.start == "beginning")
        self._shop = shop
        self._parts = parts
        self._constraints = constraints
        self._identity = service_actor(shop.lane)
        self._seconds = parts.policies.commands.deadline_seconds

    async def take(self, message: Message, writes: Sequence[Bound]) -> bool:
        """Run the reaction and commit what it planned together with `writes`; False when those lost."""
        method, kind = self._methods[message.type]
        event: Any = msgspec.json.decode(newest(event_type(kind), message.schema, message.payload), type=kind)
        call = Call(self._parts.sources, message.tenant_id, self._identity, str(message.event_id), self._deadline())
        call.operation = self.wanted.name
        call.correlation_id, call.causation_id, call.trace = message.correlation_id, str(message.event_id), message.trace
        deadlines = self._parts.deadlines
        deadlines.enter(call)
        taking = self._parts.sources.taking(self.wanted.name, message.event_id, message.occurred_at)
        try:
            with taking:
                return await self._run(call, method, event, writes)
        except asyncio.CancelledError:
            if call.phase == "expired":
                raise ended(call) from None
            raise
        finally:
            deadlines.leave(call)
            call.work = ENDED

    def _deadline(self) -> float:
        return time.monotonic() + self._seconds

    async def _run(self, call: Call, method: Any, event: Any, writes: Sequence[Bound]) -> bool:
        made: list[UnitOfWork] = []

        async def decide(read: Read | None) -> Unit:
            call.phase, call.in_turn = "decide", read is not None
            try:
                work = UnitOfWork(self._shop, call, may_plan=True, read=read)
                call.work = work
                made[:] = [work]
                await method(call, event)
                planned = work.unit(None)
            finally:
                call.in_turn = False
            call.phase = "commit"
            return Unit(planned.lane, call, (*writes, *planned.writes), planned.guards, planned.events, None, planned.rows_max)

        own = {statement for statement, _ in writes}
        verdict = await self._parts.database.commit(await decide(None))
        for _ in range(self._parts.policies.commands.reruns_max):
            if not isinstance(verdict, Conflict) or verdict.statement in own:
                break
            self._parts.reruns(self.wanted.name)
            call.in_hand = False
            verdict = await self._parts.database.turn(made[0].rows, decide, call)
        return await self._settle(call, verdict, own, made[0])

    async def _settle(self, call: Call, verdict: Verdict, own: set[Any], work: UnitOfWork) -> bool:
        call.phase = "done"
        match verdict:
            case Committed(last_id=last):
                if last is not None:
                    self._parts.told()
                    if self._parts.after_commit is not None:
                        await self._parts.after_commit(work.events)
                return True
            case Conflict(statement=statement) if statement in own:
                return False
            case Conflict(statement=statement):
                raise Unavailable(what=f"the rows of {statement.home} changed in every run of {self.wanted.name}")
            case Violated(constraint=constraint):
                failure = self._constraints.get(constraint)
                if failure is None:
                    raise UndeclaredFailure(
                        f"the unique index {constraint} refused {self.wanted.name}; module.py maps it to nothing"
                    )
                raise failure()
            case Expired():
                raise DeadlineExceeded
        raise TypeError(f"unknown verdict {verdict!r}")
