"""The row about every way to ask: the same query over each wire in one run, beside what the bare transports take."""

import contextlib
from collections.abc import Callable
from statistics import median

from msgspec import Struct

from bench.closed import CALLERS, Told
from bench.duel import Effort
from bench.result import Result, demand_core, demand_quiet
from bench.rows import ways
from bench.rows.ways import Field, Load
from bench.serve import NotThere
from bench.wire import Wire

__all__ = ["WAYS", "Way", "demand_steady", "take", "wires"]

_AGAIN = " again"
# It asks and answers on one core, and neither waits.
_BUSY = "direct"


class Way(Struct, frozen=True):
    """A line of the row. `limit`: it is measured twice in a round, for the noise of the run."""

    name: str
    travels: str
    prepare: Callable[[Field], Load]
    claimed_ms: float | None = None
    limit: bool = False


WAYS = (
    Way(_BUSY, "nothing: the pipeline of the process that asks", ways.direct, 0.5),
    Way("REST", "HTTP/1.1 and JSON", ways.rest, 2.5),
    Way("bare ASGI", "the same, with none of the duties", ways.bare_asgi, limit=True),
    Way("gRPC", "HTTP/2 and protobuf, to the edge for callers outside", ways.grpc, 1.2),
    Way("bare grpc.aio", "the same, answered from memory", ways.bare_grpc, limit=True),
    Way("another process, gRPC", "HTTP/2 and sealed msgpack, on a socket of this machine", ways.link_grpc, 1.2),
    Way("another process, NATS", "sealed msgpack by way of a broker", ways.link_nats),
    Way(
        "REST, topology `store`",
        "HTTP/1.1 and JSON; the web reads the file itself, its owner is not asked",
        ways.rest_of_store,
    ),
    Way("store's socket: a question", "an empty frame to the owner and one back; no query goes this way", ways.store_question),
    Way("store's socket: a unit", "one event for the owner to commit, durably", ways.store_unit),
    Way("the same unit, no socket", "nothing: committed by the process that asks, durably", ways.unit_here),
)


def wires(effort: Effort) -> Result:
    """Ask in every way, in turn: one caller for p50 and p99, a crowd for calls a second and what each of it waits."""
    result = Result("wires", f"every way to ask, one caller and {CALLERS}", "calls/s")
    with contextlib.ExitStack() as stack:
        lanes = _lanes(result, Field(stack, effort))
        for _ in range(effort.rounds):
            for wire, load in lanes:
                _ask(result, wire, load)
    demand_steady(result, {wire.name: wire for wire, _ in lanes})
    return result


def take(result: Result, wire: Wire, callers: int, told: Told) -> None:
    """Add a round of so many callers; one call that was refused voids the row."""
    (wire.alone if callers == 1 else wire.crowd).take(told)
    if told.refused:
        result.void.append(f"{wire.name}: {told.refused} calls were refused")


def demand_steady(result: Result, measured: dict[str, Wire]) -> None:
    """Void the row if a limit differs from itself by more than noise may be, or who waits for nothing was kept from its core."""
    direct = measured.get(_BUSY)
    if direct and direct.crowd.busy_share:
        demand_core(result, direct.name, median(direct.crowd.busy_share))
    for name, wire in measured.items():
        again = measured.get(name + _AGAIN)
        if again and again.crowd.per_second and wire.crowd.per_second:
            demand_quiet(result, f"limit {name}", median(wire.crowd.per_second), median(again.crowd.per_second))


def _lanes(result: Result, field: Field) -> list[tuple[Wire, Load]]:
    lanes: list[tuple[Wire, Load]] = []
    for way in WAYS:
        wire = Wire(way.name, way.travels, way.claimed_ms)
        result.wires.append(wire)
        try:
            load = way.prepare(field)
        except NotThere as missing:
            wire.missing = str(missing)
            continue
        lanes.append((wire, load))
        if way.limit:
            lanes.append((Wire(way.name + _AGAIN, way.travels), load))
    return lanes


def _ask(result: Result, wire: Wire, load: Load) -> None:
    for callers in (1, CALLERS):
        try:
            take(result, wire, callers, load(callers))
        except NotThere as broken:
            result.void.append(f"{wire.name}: {broken}")
