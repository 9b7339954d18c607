"""A neighbour that lives in the same process: its contract, served through the same pipeline as any other call.

Topologies stay equal because of what is refused here: a command never calls a neighbour's command, also where it would
happen to work; effects travel by events and jobs (laws 6).
"""

import time
from collections.abc import Iterable
from functools import partial
from typing import Any

import msgspec

from armature.engine.call import Call
from armature.engine.pipeline import AskedInTurn, OperationPipeline
from armature.kernel.work import WorkMisuse

__all__ = ["LocalNeighbour"]

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


class LocalNeighbour:
    """Stands in for a contract; `await neighbour.get(ctx, counter_id=…)`. Handed out first, connected when all are built."""

    def connect(self, pipelines: Iterable[OperationPipeline]) -> None:
        """Serve the contract's operations from these pipelines."""
        for pipeline in pipelines:
            setattr(self, pipeline.operation.name, partial(_call, pipeline))


async def _call(pipeline: OperationPipeline, ctx: Call, **values: Any) -> Any:
    name = pipeline.operation.full_name
    if not pipeline.is_query and ctx.deciding:
        raise WorkMisuse(
            f"{ctx.operation} calls the command {name} while it decides; publish an event or enqueue a job instead, "
            "so that the effect happens once whatever becomes of this command"
        )
    if not ctx.deciding:
        return await _answer(pipeline, ctx, values)
    # What a neighbour said is kept from a command's first run: a re-run decides on the same advice (laws 5).
    asked = (name, _encode(values))
    if ctx.kept is None:
        ctx.kept = {}
    if asked not in ctx.kept:
        if ctx.in_turn:
            raise AskedInTurn(what=f"{name} was asked something new while a row was held")
        ctx.kept[asked] = await _answer(pipeline, ctx, values)
    return ctx.kept[asked]


async def _answer(pipeline: OperationPipeline, ctx: Call, values: dict[str, Any]) -> Any:
    seconds = min(pipeline.deadline_seconds, ctx.deadline - time.monotonic())
    call = pipeline.new_call(ctx.tenant, ctx.identity, ctx.request_id, seconds)
    call.correlation_id = ctx.correlation_id
    call.trace = ctx.trace
    call.caller = ctx.caller
    call.after_id = ctx.after_id
    pipeline.authorise(call)
    await pipeline.limit(call)
    return (await pipeline.run(call, pipeline.arguments.from_values(values), "local", ())).result
