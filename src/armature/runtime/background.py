"""What a process does beside answering: the roles of its seat, made from its core, started and stopped together.

The observer and the follower of read models are no roles: every process has them.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import monotonic
from typing import Protocol

from armature.engine.archive import Archive
from armature.engine.consumer import Consumer
from armature.engine.delivery_log import DeliveryLog, DeliveryParts, ReadLog
from armature.engine.event_log import Logged
from armature.engine.generations import Model as ReadModel
from armature.engine.lease import Lease
from armature.engine.names import cache_key, signal_subject
from armature.engine.projections import Shop
from armature.engine.projector import OnBatch
from armature.engine.reactions import ReactionRunner
from armature.engine.relay import Relay
from armature.engine.remote_log import PulledBus
from armature.engine.requests import Requests
from armature.engine.retention import Retention
from armature.engine.room_watch import RoomWatch
from armature.engine.sequencer import Sequencer
from armature.engine.watching import BackgroundRunner
from armature.ports.bus import Bus
from armature.ports.limiter import Rate
from armature.runtime.certificates import days_left, watched
from armature.runtime.observer import Dependency, Observer
from armature.runtime.placing import home
from armature.runtime.problems import ModelError, Problem
from armature.runtime.roles.cache_follower import CacheFollowing
from armature.runtime.roles.certificates import LookingAtCertificates
from armature.runtime.roles.hints import COMMITTED, NUMBERED, Ear, Mouth
from armature.runtime.roles.projector import ProjectorRole, ReadModelFollower, traced
from armature.runtime.roles.reactor import ReactorRole
from armature.runtime.roles.relay import RelayRole
from armature.runtime.roles.room import LookingForRoom
from armature.runtime.roles.sequencer import SequencerRole
from armature.runtime.roles.store import StoreRole
from armature.runtime.roles.sweeper import SweeperRole
from armature.runtime.roles.turn import HOLDER, Turn
from armature.runtime.roles.watcher import WatcherRole
from armature.runtime.topology import Role
from armature.runtime.wire import Core

__all__ = ["BUILDERS", "Background", "RunningRole"]

# A start is to take less than two seconds, with or without a log.
_BUILDING_SECONDS = 1.0
_LOOK_SECONDS = 0.002

# How long a reaction waits for an event at a time, and so how long it may take to leave.
_NEAR_SECONDS = 0.1
_FAR_SECONDS = 1.0

_OFTEN = Rate(1_000_000, 1.0)
"""What the observer asks a limiter; it is never used up."""


class RunningRole(Protocol):
    """What every role can be told and asked."""

    def start(self) -> None:
        """Begin."""
        ...

    async def stop(self) -> None:
        """Finish what is in hand and end."""
        ...

    def readiness(self) -> list[str]:
        """Return why this process should not be asked; empty when all is well, also while another process does the work."""
        ...


class Background:
    """The roles of one process. `start` once, `stop` before the core is closed. `lost` hears of a server that went away."""

    def __init__(self, core: Core, lost: Callable[[str], None]) -> None:
        policies = core.model.policies
        self.observer = Observer(_dependencies(core), policies.observe.dependency_seconds, lost)
        core.instruments.watch_dependencies(self.observer.states)
        linked, port = core.links is not None, "grpc" in core.seat.roles
        shown = watched(core.model, core.seat.name, linked=linked, port=port)
        core.instruments.watch_certificates(partial(days_left, shown))
        self._followers: list[ReadModelFollower] = []
        if core.grounded:
            self._followers.append(ReadModelFollower(core.read_models, policies.projections.generation_keep_seconds))
        self._roles: list[RunningRole] = []
        for role, build in BUILDERS.items():
            if role in core.seat.roles:
                self._roles += build(core)
        self._roles += _room(core)
        if shown:
            self._roles.append(LookingAtCertificates(shown))
        if core.stores.numbering is not None:
            self._roles.append(_said(core, COMMITTED))

    async def start(self) -> None:
        """Begin all of them. A small log has its read models when this returns; a large one builds them beside the answers."""
        for role in self._roles:
            role.start()
        for follower in self._followers:
            follower.start()
        self.observer.start()
        until = monotonic() + _BUILDING_SECONDS
        while self.readiness() and monotonic() < until:  # noqa: ASYNC110  (readiness is asked, nobody announces it)
            await asyncio.sleep(_LOOK_SECONDS)

    async def stop(self) -> None:
        """Finish what is in hand and end: who works first, who only looks last."""
        for role in reversed(self._roles):
            await role.stop()
        for follower in self._followers:
            await follower.stop()
        await self.observer.stop()

    def readiness(self) -> list[str]:
        """Return why this process should not be asked; empty when all is well."""
        return self.observer.readiness() + [reason for role in self._roles for reason in role.readiness()]


def _dependencies(core: Core) -> list[Dependency]:
    """The database, and what this process's ports reach beyond it. Only what nothing works without is critical."""
    stores, environment, name = core.stores, core.model.environment, core.model.installation
    asked = [Dependency("database", core.log.identity)] if core.grounded else []
    if stores.ground.guest is not None:
        asked.append(Dependency("store", stores.ground.guest.reached))
    if core.neighbours is not None:
        asked += [Dependency(f"module {one}", partial(core.neighbours.probe, one)) for one in core.neighbours.ways]
    if environment.bus.adapter != "memory" and not core.seat.roles.isdisjoint(("relay", "reactor")):
        asked.append(Dependency("bus", stores.bus.tail))
    if environment.signal.adapter != "memory":
        subject = signal_subject(name, "armature", "armature.observer")
        asked.append(Dependency("signal", lambda: stores.signal.send(subject), critical=False))
    if environment.cache.adapter != "memory":
        key = cache_key(name, "armature", "armature.observer", 1, "")
        asked.append(Dependency("cache", lambda: stores.cache.get(key, ()), critical=False))
    if environment.limiter.adapter != "memory":
        asked.append(Dependency("limiter", lambda: stores.counted.check("armature.observer", _OFTEN), critical=False))
    return asked


def _contested(core: Core, role: Role) -> bool:
    """Whether several processes of the topology play a role, so that they take turns."""
    beside = (spec for spec in core.model.topology.processes.values() if spec.database == core.model.home)
    return sum(spec.replicas for spec in beside if role in spec.roles) > 1


def _turn(core: Core, role: Role, name: str) -> Turn:
    if not _contested(core, role):
        return Turn()
    return Turn(Lease(core.database, name, HOLDER, core.model.policies.delivery.lease_seconds))


def _said(core: Core, topic: str) -> Mouth:
    mouth = Mouth(core.stores.signal, core.model.log_name, topic)
    core.told.append(mouth.wake)
    return mouth


def _heard(core: Core, wake: Callable[[], None]) -> list[RunningRole]:
    """Return what wakes a follower of the log when another process has made it grow."""
    if core.stores.numbering is None:
        return []
    return [Ear(core.stores.signal, core.model.log_name, NUMBERED, wake)]


def _store(core: Core) -> list[RunningRole]:
    def committed() -> None:
        for tell in core.told:
            tell()

    server = core.stores.serve(committed)
    return [StoreRole(server)] if server is not None else []


def _sequencer(core: Core) -> list[RunningRole]:
    numbering = core.stores.numbering
    if numbering is None:
        return []
    mouth = Mouth(core.stores.signal, core.model.log_name, NUMBERED)
    delivery = core.model.policies.delivery
    role = SequencerRole(Sequencer(numbering, delivery, mouth.wake), delivery.poll_seconds)
    core.told.append(role.wake)
    return [role, mouth, Ear(core.stores.signal, core.model.log_name, COMMITTED, role.wake)]


def _delivery(core: Core, events: ReadLog | None = None, bus: Bus | None = None) -> DeliveryParts:
    return DeliveryParts(
        core.database,
        events or DeliveryLog(core.database, core.model.archive_path),
        bus or core.stores.bus,
        Requests(core.database, core.parts.sources.now),
        core.model.policies.delivery,
        core.parts.sources.now,
    )


def _relay(core: Core) -> list[RunningRole]:
    delivery = core.model.policies.delivery
    lease = Lease(core.database, "relay:broker", HOLDER, delivery.lease_seconds)
    relay = Relay(_delivery(core), lease, lasting=core.model.environment.bus.adapter != "memory")
    role = RelayRole(relay, delivery.poll_seconds)
    core.told.append(role.wake)
    return [role, *_heard(core, role.wake)]


def _room(core: Core) -> list[RunningRole]:
    """Whoever may tell events looks whether they can be carried, where the topology carries them at all."""
    beside = (spec for spec in core.model.topology.processes.values() if spec.database == core.model.home)
    carried = any("relay" in spec.roles for spec in beside)
    if not carried or not core.grounded:
        return []
    room = core.parts.room
    core.instruments.watch_room(lambda: float(room.waiting))
    return [LookingForRoom(RoomWatch(core.database, room, core.model.policies.delivery.backlog_max))]


def _reactor(core: Core) -> list[RunningRole]:
    consumers = []
    for name, module in core.modules.items():
        for reaction in module.reactions:
            runner = ReactionRunner(reaction, core.shops[name], core.parts, dict(module.constraints))
            parts = _heard_from(core, runner)
            near = core.model.environment.bus.adapter == "memory" or isinstance(parts.bus, PulledBus)
            wait = _NEAR_SECONDS if near else _FAR_SECONDS
            consumers.append(Consumer(runner.wanted, parts, runner.take, wait_seconds=wait))
    return [ReactorRole(consumers, core.model.policies.delivery.poll_seconds)]


def _heard_from(core: Core, runner: ReactionRunner) -> DeliveryParts:
    """Where a reaction's events come from: the bus, or the process that has the log they are in."""
    modules = {one.partition(".")[0] for one in runner.wanted.types}
    logs = {home(core.model, one) for one in modules}
    if logs == {core.model.home}:
        return _delivery(core)
    if len(logs) > 1 or core.neighbours is None:
        file = f"modules/{runner.wanted.name.partition('.')[0]}/reactions.py"
        text = f"'{runner.wanted.name}' takes events of {', '.join(sorted(modules))}, which are in several logs in this topology"
        raise ModelError([Problem(file, 0, "", text, "write a reaction for each of them")])
    log = core.neighbours.log_of(min(modules))
    return _delivery(core, log, PulledBus(log))


def _projector(core: Core) -> list[RunningRole]:
    now = core.parts.sources.now
    caches = CacheFollowing(core.database, core.log, core.tidings.queries, core.model.policies.projections.poll_seconds)
    shop = Shop(
        core.database,
        core.log,
        core.generations,
        core.read_models,
        Requests(core.database, now),
        core.model.policies.projections,
        now,
        _both(traced(core.tracer), caches.projected if core.tidings.queries.used else None),
    )

    def turn(model: ReadModel) -> Turn:
        # Two releases side by side build generations of their own.
        return _turn(core, "projector", f"projector:{model.name}:{model.fingerprint[:12]}")

    if core.stores.numbering is None:
        role = ProjectorRole(shop, core.read_models.models, caches, turn)
        core.told.append(role.wake)
    else:
        # A commit tells it nothing: there is something to fold when the sequencer has numbered, and it gathers.
        role = ProjectorRole(shop, core.read_models.models, caches, turn, linger_seconds=0.0)
    core.instruments.watch_log(role.watch.head)
    core.instruments.watch_projections(role.watch.states)
    return [role, *_heard(core, role.wake)]


def _both(first: OnBatch | None, second: OnBatch | None) -> OnBatch | None:
    """Return what tells both, whoever of them there is."""
    if first is None or second is None:
        return first or second

    def tell(projection: str, events: Sequence[Logged], started_ns: int, ended_ns: int) -> None:
        first(projection, events, started_ns, ended_ns)
        second(projection, events, started_ns, ended_ns)

    return tell


def _sweeper(core: Core) -> list[RunningRole]:
    policies, now = core.model.policies, core.parts.sources.now
    keep = policies.projections.generation_keep_seconds
    sweeper = SweeperRole(
        Retention(core.database, policies.retention, now),
        Archive(core.database, core.model.archive_path, policies.retention, now, keep),
        core.generations,
        core.read_models.models,
        policies,
        _turn(core, "sweeper", "sweeper"),
    )
    return [sweeper]


def _watcher(core: Core) -> list[RunningRole]:
    runners = [
        (BackgroundRunner(one, core.shops[name], core.parts), _turn(core, "watcher", f"watcher:{one.name}"))
        for name, module in core.modules.items()
        for one in module.background
    ]
    return [WatcherRole(runners)]


BUILDERS: Mapping[Role, Callable[[Core], list[RunningRole]]] = {
    "store": _store,
    "sequencer": _sequencer,
    "relay": _relay,
    "projector": _projector,
    "reactor": _reactor,
    "sweeper": _sweeper,
    "watcher": _watcher,
}
"""How each role is made, in the order of their start. `http` is the server of `process.py`."""
