"""What a process has to do with the others of its topology: operations it reaches there, and its own that it answers for."""

import logging
from collections.abc import Callable, Mapping, Sequence
from time import monotonic

import msgspec
from msgspec import Struct

from armature.engine.call import Sources
from armature.engine.deadlines import Deadlines
from armature.engine.policies import Policies
from armature.engine.remote_log import RemoteLog
from armature.engine.remote_message import Seal, platform_ask
from armature.engine.remote_operation import Afar, RemoteOperation
from armature.engine.remote_way import Errand, Way
from armature.kernel.operation import feeds, operations
from armature.kernel.refusals import Unavailable
from armature.ports.links import Links
from armature.runtime.model import Model
from armature.runtime.placing import reached
from armature.runtime.project import Project

__all__ = ["Common", "Neighbours", "neighbours_of"]

log = logging.getLogger("armature.links")

_PROBE_SECONDS = 1.5
_SAID = {"link:not_ready": "it answers and is not ready itself; its own /readyz says why"}


class Neighbours(Struct, frozen=True):
    """The way from this process to the modules it reaches in others. `open` before use, `close` after."""

    links: Links
    ways: Mapping[str, Way]
    operations: Sequence[RemoteOperation]
    feeds: Sequence[RemoteOperation]
    seal: Seal

    def log_of(self, module: str) -> RemoteLog:
        """Return the log of the process that hosts a module."""
        return RemoteLog(self.ways[module], self.seal)

    async def probe(self, module: str) -> None:
        """Ask whoever hosts a module whether it answers; raises `Unavailable` when nobody does."""
        asked = platform_ask(_PROBE_SECONDS)
        errand = Errand(lambda seconds: self.seal.ask(asked, module), monotonic() + _PROBE_SECONDS, reads=True, keyed=False)
        told = self.seal.told(await self.ways[module].ask(errand), asked)
        if told.code:
            said = _SAID.get(told.code) or msgspec.msgpack.decode(told.values).get("what", told.code)
            raise Unavailable(what=f"module '{module}': {said}")


class Common(Struct, frozen=True):
    """What calls to other processes share with the calls of this one."""

    policies: Policies
    sources: Sources
    deadlines: Deadlines
    secret: bytes
    position: Callable[[int], str] | None
    asked: Callable[[str, str], None]
    """Told of each exchange: module, and how it ended."""


def neighbours_of(model: Model, project: Project, process: str, links: Links, common: Common) -> Neighbours:
    """Make the operations of every module that this process reaches elsewhere."""
    seal = Seal(common.secret, model.installation, common.sources.wall)
    afar = Afar(seal, common.policies, common.sources, common.deadlines, common.position)
    ways: dict[str, Way] = {}
    made: list[RemoteOperation] = []
    followed: list[RemoteOperation] = []
    # Looks wait for a long time: they have a way of their own, so that they take nobody's place.
    patient = msgspec.structs.replace(common.policies.neighbours, running_max=common.policies.http.streams_max)
    wanted = reached(model, process, [module.facts() for module in project.modules])
    for loaded in (one for one in project.modules if one.name in wanted):
        way = ways[loaded.name] = Way(loaded.name, links, common.policies.neighbours, common.asked)
        looking = Way(loaded.name, links, patient)
        for contract in loaded.contracts:
            made += [RemoteOperation(one, way, afar) for one in operations(contract)]
            followed += [RemoteOperation(one, looking, afar) for one in feeds(contract)]
    return Neighbours(links, ways, made, followed, seal)
