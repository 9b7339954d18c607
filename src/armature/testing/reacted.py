"""When reactions are at rest: every event that some reaction wants was taken by it, or its stream is parked.

Tests and proofs wait for that before they compare, since what a reaction does is seen a moment after what it is about.
"""

import asyncio
from collections.abc import Sequence
from time import monotonic

from msgspec import Struct

from armature.engine.consumed import CONSUMED_STATEMENTS, ConsumerRow, registered, standing
from armature.kernel.event import event_type
from armature.kernel.statement import select
from armature.ports.bus import Message
from armature.runtime.placing import home
from armature.runtime.wire import Core

__all__ = ["Rest", "reacted", "unreacted"]

_SECONDS_MAX = 60.0
_LOOK_SECONDS = 0.005
_BATCH_EVENTS = 200

_EVERYBODY = frozenset(("",))
"""Who waits for a reaction that has never run."""

Looked = dict[tuple[str, str], int]
"""By consumer and what it takes: up to where in the log everything was taken when somebody last looked."""


class _Waiting(Struct, frozen=True):
    tenant_id: str
    first: int | None
    """The position of the first event that waits; None while it has none."""


# On SQLite the id is the position.
def _waiting(position: str, later: str) -> str:
    return f"""
select o.tenant_id, min({position}) as first
  from armature_outbox o
 where {later} and o.type = :type
   and not exists (select 1 from armature_inbox i where i.consumer = :consumer and i.event_id = o.event_id)
   and not exists (select 1 from armature_consumed c
                    where c.consumer = :consumer and c.tenant_id = o.tenant_id and c.stream = o.stream
                      and c.version >= o.stream_version)
   and not exists (select 1 from armature_dead_letters d
                    where d.consumer = :consumer and d.tenant_id = o.tenant_id and d.stream = o.stream)
 group by o.tenant_id
"""


WAITING = select(
    _Waiting,
    _waiting("coalesce(o.position, 0)", "(o.position is null or o.position > :after)"),
    sqlite=_waiting("o.id", "o.id > :after"),
)
LAST = select(
    int,
    "select coalesce(max(position), 0) from armature_outbox",
    sqlite="select coalesce(max(id), 0) from armature_outbox",
)


class Rest:
    """Waits for the reactions of several processes. However many wait, one look at a time is taken for all of them."""

    def __init__(self, cores: Sequence[Core]) -> None:
        self._cores = cores
        self._known: list[Looked] = [{} for _ in cores]
        self._coming: asyncio.Task[set[str]] | None = None

    async def of(self, tenant: str) -> None:
        """Return when nothing of a tenant waits for a reaction; raises TimeoutError when that takes too long."""
        until = monotonic() + _SECONDS_MAX
        while not {tenant, *_EVERYBODY}.isdisjoint(await self._look()):
            if monotonic() > until:
                raise TimeoutError(f"{', '.join(await self.names())} did not take all events in {_SECONDS_MAX:g} s")

    async def names(self) -> list[str]:
        """Return the reactions that have not taken everything."""
        return [name for waiting in await self._those_who_wait() for name in waiting]

    async def _those_who_wait(self) -> list[dict[str, set[str]]]:
        return [await _those_who_wait(core, looked) for core, looked in zip(self._cores, self._known, strict=True)]

    async def _look(self) -> set[str]:
        """Return who waits, as of a moment after this was asked."""
        if self._coming is None:
            self._coming = asyncio.create_task(self._looked())
        return await self._coming

    async def _looked(self) -> set[str]:
        await asyncio.sleep(_LOOK_SECONDS)
        self._coming = None  # who asks from here on may have told something that this look does not see
        return {tenant for waiting in await self._those_who_wait() for tenants in waiting.values() for tenant in tenants}


async def reacted(core: Core) -> None:
    """Return when nothing waits for a reaction; raises TimeoutError with who stands still."""
    until = monotonic() + _SECONDS_MAX
    while waiting := await unreacted(core):
        if monotonic() > until:
            raise TimeoutError(f"{', '.join(waiting)} did not take all events in {_SECONDS_MAX:g} s")
        await asyncio.sleep(_LOOK_SECONDS)


async def unreacted(core: Core, tenant: str | None = None) -> list[str]:
    """Return the reactions that have not taken everything that is in the log, of one tenant or of all."""
    waiting = await _those_who_wait(core, {})
    return [name for name, tenants in waiting.items() if tenant is None or not {tenant, *_EVERYBODY}.isdisjoint(tenants)]


async def _those_who_wait(core: Core, looked: Looked) -> dict[str, set[str]]:
    """Return, by reaction, the tenants of whom it has not taken everything."""
    core.database.bind((WAITING, LAST, *CONSUMED_STATEMENTS))
    found = {}
    for reaction in (one for module in core.modules.values() for one in module.reactions):
        row = await registered(core.database, reaction.name)
        types = {event_type(event).name for event in reaction.methods()}
        waiting = await _of_reaction(core, (reaction.name, row), types, looked) if row is not None else set(_EVERYBODY)
        if waiting:
            found[reaction.name] = waiting
    return found


async def _of_reaction(core: Core, who: tuple[str, ConsumerRow], types: set[str], looked: Looked) -> set[str]:
    consumer, row = who
    far = {one.partition(".")[0] for one in types if home(core.model, one.partition(".")[0]) != core.model.home}
    if far and core.neighbours is not None:
        return await _of_another_log(core, who, types, min(far), looked)
    found: set[str] = set()
    for one in sorted(types):
        given = {"consumer": consumer, "after": max(row.started, looked.get((consumer, one), 0)), "type": one}
        asked = (WAITING, tuple(given[name] for name in WAITING.params))
        waiting, (last,) = await core.database.read((asked, (LAST, ())))
        firsts = [tenant.first for tenant in waiting]
        if all(firsts):
            looked[consumer, one] = min(firsts, default=last + 1) - 1
        found.update(tenant.tenant_id for tenant in waiting)
    return found


async def _of_another_log(core: Core, who: tuple[str, ConsumerRow], types: set[str], module: str, looked: Looked) -> set[str]:
    """Look through the log of the process that hosts the module, from where the last look found everything taken."""
    assert core.neighbours is not None
    consumer, row = who
    log, key = core.neighbours.log_of(module), (consumer, module)
    position, found = max(looked.get(key, 0), row.started), set[str]()
    while messages := await log.after(position, _BATCH_EVENTS):
        for message in messages:
            if message.type in types and not await _is_taken(core, consumer, row, message):
                found.add(message.tenant_id)
            position = message.position
            if not found:
                looked[key] = max(looked.get(key, 0), position)
    return found


async def _is_taken(core: Core, consumer: str, row: ConsumerRow, message: Message) -> bool:
    known = await standing(core.database, consumer, row, message)
    passed = known.version is not None and message.stream_version is not None and message.stream_version <= known.version
    return known.seen or known.parked or passed
