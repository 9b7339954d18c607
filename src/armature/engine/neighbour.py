"""A neighbour as a module sees it: its contract, served by the same pipeline as any other call, here or in another process.

Each module that asks has a stand-in of its own, which knows the operations it declared and in whose name it asks them.
Topologies stay equal because of what is refused here: a command never calls a neighbour's command, also where it would happen
to work; effects travel by events and jobs (laws 6).
"""

from collections.abc import Iterable, Mapping
from functools import partial
from time import monotonic
from typing import Any

import msgspec

from armature.engine.call import Call
from armature.engine.permission import authorise
from armature.engine.pipeline_ends import AskedInTurn
from armature.engine.served import Served
from armature.engine.terms import Terms
from armature.kernel.work import WorkMisuse

__all__ = ["LocalNeighbour"]

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class LocalNeighbour:
    """Stands in for a contract; `await neighbour.get(ctx, counter_id=…)`. Handed out first, connected when all are built."""

    def __init__(self, asking: str, terms: Mapping[str, Terms]) -> None:
        self._asking = asking
        self._terms = terms

    def connect(self, pipelines: Iterable[Served]) -> None:
        """Serve the contract's operations from these pipelines, by their full names on the terms given."""
        for pipeline in pipelines:
            terms = self._terms.get(pipeline.operation.full_name)
            call = _Question(pipeline, terms).ask if terms is not None else partial(_undeclared, self._asking, pipeline)
            setattr(self, pipeline.operation.name, call)


async def _undeclared(asking: str, pipeline: Served, ctx: Call, **values: Any) -> Any:
    name = pipeline.operation.full_name
    raise WorkMisuse(
        f"{ctx.operation} asks {name}, and uses: of modules/{asking}/module.yaml does not say so; add `{name}` there"
    )


class _Question:
    """One operation that one module may ask, with all that does not depend on the call looked up."""

    __slots__ = ("_limit", "_name", "_permission", "_read", "_reads", "_result", "_seconds", "_terms")

    def __init__(self, pipeline: Served, terms: Terms) -> None:
        self._terms = terms
        self._name = terms.operation
        self._reads = pipeline.is_query
        self._seconds = pipeline.deadline_seconds
        self._permission = pipeline.operation.declared.permission
        self._limit = pipeline.limit if pipeline.rate is not None else None
        self._read = pipeline.arguments.from_values
        self._result = pipeline.result

    async def ask(self, ctx: Call, **values: Any) -> Any:
        """Ask in the name that the terms say, as part of the call `ctx`."""
        kept = None
        if msgspec.UNSET in values.values():
            values = {name: value for name, value in values.items() if value is not msgspec.UNSET}
        if ctx.phase == "decide":
            kept, asked = self._kept(ctx), (self._name, _encode(values))
            if asked in kept:
                return kept[asked]
            if ctx.in_turn:
                raise AskedInTurn(what=f"{self._name} was asked something new while a row was held")
        deadline = min(ctx.deadline, monotonic() + self._seconds)
        call = Call(ctx.sources, ctx.tenant, self._terms.identity(ctx), ctx.request_id, deadline)
        call.operation = self._name
        call.asking = self._terms.asking
        call.correlation_id = ctx.correlation_id
        call.trace = ctx.trace
        call.caller = ctx.caller
        call.after_id = ctx.after_id
        call.advises = kept is not None
        authorise(self._permission, call)
        if self._limit is not None:
            await self._limit(call)
        if kept is None:
            return await self._result(call, self._read(values), ctx)
        # What a neighbour said is kept from a command's first run: a re-run decides on the same advice (laws 5).
        kept[asked] = await self._result(call, self._read(values), ctx)
        return kept[asked]

    def _kept(self, ctx: Call) -> dict[tuple[str, bytes], Any]:
        if not self._reads:
            raise WorkMisuse(
                f"{ctx.operation} calls the command {self._name} while it decides; publish an event or enqueue a job instead, "
                "so that the effect happens once whatever becomes of this command"
            )
        if ctx.kept is None:
            ctx.kept = {}
        return ctx.kept
