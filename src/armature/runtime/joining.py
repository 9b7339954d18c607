"""Joins a process to the others of its topology: what it reaches in them, and how positions of its own log are told."""

from collections.abc import Callable
from contextlib import suppress

from armature.engine.meters import Cell
from armature.engine.positions import Positions
from armature.engine.telemetry import Counter
from armature.kernel.refusals import Unavailable
from armature.runtime.afar import Common, neighbours_of
from armature.runtime.linking import links_of
from armature.runtime.project import contract_name
from armature.runtime.wire import Core, Place

__all__ = ["counted", "join", "positions_of"]


async def join(core: Core, place: Place) -> None:
    """Connect the process with the others of its topology, as far as it has to do with them."""
    process = place.seat.name
    core.links = links_of(core.model, core.whole, process, place.addresses)
    if core.links is None:
        return
    position = (await positions_of(core, place.cursor_key)).encode if core.grounded else None
    parts, exchanges = core.parts, core.instruments.exchanges
    common = Common(
        core.model.policies,
        parts.sources,
        parts.deadlines,
        place.cursor_key,
        position,
        counted(exchanges),
    )
    core.neighbours = neighbours_of(core.model, core.whole, process, core.links, common)
    for contract, stand_ins in core.asked.items():
        remote = [one for one in core.neighbours.operations if one.operation.contract == contract_name(contract)]
        for stand_in in stand_ins if remote else ():
            stand_in.connect(remote)
    with suppress(Unavailable):  # a server that carries messages may come later; until then calls are refused
        await core.links.open()


def counted(exchanges: Counter) -> Callable[[str, str], None]:
    """Return what counts by module and end; a cell is bound once for each."""
    cells: dict[tuple[str, str], Cell] = {}

    def count(module: str, ended: str) -> None:
        cell = cells.get((module, ended))
        if cell is None:
            cell = cells[module, ended] = exchanges.bind(module, ended)
        cell.add()

    return count


async def positions_of(core: Core, key: bytes) -> Positions:
    """Return what writes and reads positions of this process's log."""
    model = core.model
    return Positions(await core.log.identity(), key, model.home, model.environment.databases)
