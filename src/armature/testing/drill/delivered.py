"""What the broker delivered during a drill: a group of its own, made before the load and emptied after it."""

import asyncio
import time
from collections.abc import Mapping
from uuid import UUID

from armature.engine import names
from armature.kernel.refusals import Unavailable
from armature.ports.bus import Bus
from armature.runtime.addresses import resolve_addresses
from armature.runtime.model import Model
from armature.runtime.project import Project
from armature.runtime.vendors import stores_of

__all__ = ["drain", "prepare"]

_GROUP = "drill"
_FETCH = 500
_QUIET_SECONDS = 1.0
_SECONDS_MAX = 90.0


def prepare(model: Model, project: Project, environ: Mapping[str, str], types: list[str]) -> bool:
    """Make the group; False when the topology has no broker."""
    if model.environment.bus.adapter == "memory":
        return False
    asyncio.run(_prepare(_bus(model, project, environ), _name(model), types))
    return True


def drain(model: Model, project: Project, environ: Mapping[str, str], types: list[str], events: int) -> list[UUID]:
    """Take what the group holds until so many different events came, or nothing more does."""
    return asyncio.run(_drain(_bus(model, project, environ), _name(model), types, events))


async def _prepare(bus: Bus, group: str, types: list[str]) -> None:
    await bus.open()
    subscription = await bus.subscribe(group, types, in_order=False)
    await subscription.close()
    await bus.close()


async def _drain(bus: Bus, group: str, types: list[str], events: int) -> list[UUID]:
    found: list[UUID] = []
    until = time.monotonic() + _SECONDS_MAX
    await bus.open()
    subscription = await bus.subscribe(group, types, in_order=False)
    try:
        while len(set(found)) < events and time.monotonic() < until:
            try:
                got = await subscription.fetch(_FETCH, _QUIET_SECONDS)
                await subscription.ack(got)
            except Unavailable:
                continue
            found += [one.message.event_id for one in got]
    finally:
        await subscription.close()
        await bus.close()
    return found


def _name(model: Model) -> str:
    return names.group(model.environment.installation or model.root.name, _GROUP)


def _bus(model: Model, project: Project, environ: Mapping[str, str]) -> Bus:
    return stores_of(model, project, resolve_addresses(model, environ), time.monotonic).bus
