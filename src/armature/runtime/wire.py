"""The composition root: the one place where adapters are made and handed to the engine.

Read top to bottom it is the whole system of one process: database, log and read models, then module by module its pipelines,
then the HTTP application over them.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, cast, get_type_hints
from uuid import UUID

from msgspec import Struct

from armature.adapters.httpx2.door import open_http
from armature.adapters.memory.no_database import NoDatabase
from armature.adapters.otlp.extra import open_sink
from armature.adapters.prometheus.door import exposition
from armature.engine import migrations
from armature.engine.call import Sources, Taking
from armature.engine.cursors import Cursors
from armature.engine.deadlines import Deadlines
from armature.engine.event_log import EventLog
from armature.engine.generations import Generations
from armature.engine.generations import Model as ReadModel
from armature.engine.hot_rows import HotRows
from armature.engine.idempotency import STORED_ANSWER, Keys
from armature.engine.ids import IdSource
from armature.engine.instruments import Instruments
from armature.engine.late_positions import LatePositions
from armature.engine.meters import Cell
from armature.engine.neighbour import LocalNeighbour
from armature.engine.pipeline import OperationPipeline
from armature.engine.pipeline_parts import Parts
from armature.engine.read_models import ReadModels
from armature.engine.telemetry import Counter, Telemetry
from armature.engine.trace import Tracer
from armature.engine.waiting import Waiter
from armature.engine.work import Workshop
from armature.kernel.module import Module
from armature.kernel.operation import Operation, feeds, operations
from armature.kernel.wakeups import Wakeups
from armature.ports.cache import Cache
from armature.ports.http import Http
from armature.ports.links import Links
from armature.ports.signal import Signal
from armature.runtime.addresses import Addresses
from armature.runtime.afar import Neighbours
from armature.runtime.model import Model
from armature.runtime.placing import homed
from armature.runtime.problems import ModelError, Problem
from armature.runtime.project import Loaded, Project, contracts_of
from armature.runtime.promises import refuse_unsayable
from armature.runtime.seat import Seat
from armature.runtime.storing import refuse_pending
from armature.runtime.tidings import Tidings, tidings_of
from armature.runtime.topology import EDGES
from armature.runtime.uses import refuse_untrue_uses, terms_of
from armature.runtime.vendors import CountingDatabase, Stores, migrator_of, stores_of

__all__ = ["Core", "Given", "Place", "wire"]

log = logging.getLogger("armature.wire")


class Given(Struct, frozen=True, kw_only=True):
    """What a test or an embedding application may put in the place of the real thing."""

    now: Callable[[], datetime] = Sources.utc_now
    seconds: Callable[[], float] = time.monotonic
    """The clock of rate limits."""
    new_id: Callable[[], UUID] | None = None
    taking: Taking = lambda reaction, event_id, occurred_at: nullcontext()
    answering: Callable[[str], AbstractContextManager[None]] | None = None
    wall: Callable[[], float] = time.time
    """The clock that messages between processes are dated by, in seconds since 1970."""
    ports: Mapping[type, object] = {}
    """Ports by their type: `{Http: OutboundFake()}`."""


class Core(Struct):
    """Everything of a process below its edges. `open` before use, `close` after."""

    model: Model
    seat: Seat
    hosted: Project
    """The modules that live in this process."""
    whole: Project
    """All modules of the project, wherever they live."""
    stores: Stores
    telemetry: Telemetry
    instruments: Instruments
    tracer: Tracer
    parts: Parts
    log: EventLog
    generations: Generations
    read_models: ReadModels
    modules: dict[str, Module]
    tidings: Tidings
    pipelines: list[OperationPipeline]
    feeds: list[OperationPipeline]
    """What asks a caller of a feed for permission and arguments, and limits it; the feed itself is the edge's."""
    shops: dict[str, Workshop]
    """What each module's units of work are made in."""
    asked: dict[type, list[LocalNeighbour]]
    """The stand-ins of neighbours' contracts, as they were handed to the modules that asked for them."""
    told: list[Callable[[], None]]
    """Called after each commit that recorded events; roles that follow the log add themselves."""
    links: Links | None = None
    """The way to other processes; None when this one asks nobody and answers nobody."""
    neighbours: Neighbours | None = None
    """What this process reaches in others."""
    http: Http | None = None
    """The client of this process for the outside world; None when no module asked for one."""

    @property
    def grounded(self) -> bool:
        """Whether this process has a database."""
        return not isinstance(self.stores.database, NoDatabase)

    @property
    def database(self) -> CountingDatabase:
        """The database of this process."""
        return self.stores.database

    def pipeline(self, operation: str) -> OperationPipeline:
        """Return the pipeline of an operation that lives here, by its full name."""
        return next(one for one in self.pipelines if one.operation.full_name == operation)

    def exposition(self) -> Callable[[str], tuple[bytes, str]]:
        """Return what renders `/metrics` for an Accept header: body and content type."""
        return exposition(self.telemetry)

    async def close(self) -> None:
        """Let go of everything, the database last."""
        self.parts.deadlines.stop()
        if self.links is not None:
            await self.links.close()
        await self.tidings.close()
        if self.http is not None:
            await self.http.close()
        await self.stores.close()
        self.tracer.close(5.0)


class Place(Struct, frozen=True):
    """What a process is handed at its door: who it is, where its servers are, and the key of its cursors."""

    seat: Seat
    addresses: Addresses
    cursor_key: bytes


async def wire(model: Model, project: Project, place: Place, given: Given | None = None) -> Core:
    """Migrate, open and connect everything a process needs below its edges; raises what the doctor can explain."""
    refuse_unsayable(project)
    refuse_untrue_uses(project)
    given = given or Given()
    grounded = has_ground(place.seat, project)
    own = homed(model, project)
    stores = stores_of(model, own, place.addresses, given.seconds, roles=place.seat.roles, grounded=grounded)
    if grounded and stores.ground.guest is None:
        _migrate(model, own, place, stores)
    await stores.open()
    try:
        if stores.ground.guest is not None:
            refuse_pending(migrator_of(model, own, place.addresses), _folders(own))
        return _connect(model, project, stores, place, given)
    except BaseException:
        await stores.close()
        raise


def _migrate(model: Model, project: Project, place: Place, stores: Stores) -> None:
    """Bring the database to where the files say, as its owner where it has one."""
    stores.ground.claim()
    try:
        migrations.migrate(migrator_of(model, project, place.addresses), _folders(project))
    except BaseException:
        stores.ground.unclaim()
        raise


def _folders(project: Project) -> list[tuple[str, Path]]:
    return [(module.name, module.folder) for module in project.modules]


def _connect(model: Model, project: Project, stores: Stores, place: Place, given: Given) -> Core:
    whole, project = project, Project(project.root, tuple(one for one in project.modules if place.seat.hosts(one.name)))
    http = _client(model, project, given)
    ports: dict[type, object] = {Signal: stores.signal, Cache: stores.cache, **({Http: http} if http else {}), **given.ports}
    modules, asked = _build(project, ports, model.installation, whole)
    event_log = EventLog(stores.database, model.archive_path)
    signal, cache = ports[Signal], ports[Cache]
    tidings = tidings_of(whole, model.installation, event_log, cast(Signal, signal), cast(Cache, cache))
    core = _core(Beneath(model, project, whole, stores, place, modules, event_log, tidings), given)
    core.http, core.asked = http, asked
    for loaded in project.modules:
        shop = core.shops[loaded.name] = _workshop(loaded, core)
        core.database.bind(one for one in loaded.statements if one not in core.read_models.statements)
        for service in modules[loaded.name].offers:
            for contract in contracts_of(service):
                pipelines = _pipelines(operations(contract), service, modules[loaded.name], shop, core.parts)
                core.pipelines += pipelines
                core.feeds += _pipelines(feeds(contract), service, modules[loaded.name], shop, core.parts)
                for neighbour in asked.get(contract, ()):
                    neighbour.connect(pipelines)
    core.parts.deadlines.start()
    return core


def has_ground(seat: Seat, project: Project) -> bool:
    """Whether a process has a database: it hosts something that is written down, or plays a role that reads the log."""
    hosted = [module.facts() for module in project.modules if seat.hosts(module.name)]
    written = any(one.tables or one.projections or one.reactions or one.background for one in hosted)
    return written or not seat.roles <= EDGES


def _client(model: Model, project: Project, given: Given) -> Http | None:
    asked = any(Http in get_type_hints(loaded.needs).values() for loaded in project.modules)
    return open_http(model.policies.outbound) if asked and Http not in given.ports else None


def _build(
    project: Project, ports: Mapping[type, object], installation: str, whole: Project
) -> tuple[dict[str, Module], dict[type, list[LocalNeighbour]]]:
    """Call every module's `build`, needed ones first. Neighbours are handed out now and connected when all stand: each asking
    module has its own, because each asks on terms of its own."""
    modules: dict[str, Module] = {}
    here = {loaded.name for loaded in project.modules}
    asked: dict[type, list[LocalNeighbour]] = {
        contract: [] for loaded in whole.modules if loaded.name not in here for contract in loaded.contracts
    }
    by_name = {loaded.name: loaded for loaded in whole.modules}
    for loaded in project.modules:
        # Modules get no bare signal and no bare cache: names in them carry tenant and module, and the platform makes those.
        own: dict[type, object] = {Wakeups: Waiter(cast(Signal, ports[Signal]), installation, loaded.name)}
        others = {kind: port for kind, port in ports.items() if kind not in (Signal, Cache)}
        terms = terms_of(loaded, by_name)
        neighbours = {one: LocalNeighbour(loaded.name, terms) for one in loaded.neighbours.values() if one in asked}
        modules[loaded.name] = module = loaded.build(_needs(loaded, {**others, **own, **neighbours}))
        if module.name != loaded.name:
            file = f"modules/{loaded.name}/module.py"
            raise ModelError([Problem(file, 0, "", f"build returns a module called {module.name!r}", f"call it {loaded.name!r}")])
        for contract, neighbour in neighbours.items():
            asked[contract].append(neighbour)
        for service in module.offers:
            for contract in contracts_of(service):
                asked[contract] = []
    return modules, asked


def _needs(loaded: Loaded, offered: Mapping[type, object]) -> Any:
    found, problems = {}, []
    for name, kind in get_type_hints(loaded.needs).items():
        if kind in offered:
            found[name] = offered[kind]
        else:
            cure = "ask for a contract of a module that the topology hosts, or for a port of armature"
            text = f"nothing offers {kind.__name__}"
            problems.append(Problem(f"modules/{loaded.name}/module.py", 0, f"{loaded.needs.__name__}.{name}", text, cure))
    if problems:
        raise ModelError(problems)
    return loaded.needs(**found)


class Beneath(Struct, frozen=True):
    """What a core is made on."""

    model: Model
    hosted: Project
    whole: Project
    stores: Stores
    place: Place
    modules: dict[str, Module]
    log: EventLog
    tidings: Tidings


def _core(on: Beneath, given: Given) -> Core:
    model, project, stores, modules = on.model, on.hosted, on.stores, on.modules
    policies, database = model.policies, stores.database
    telemetry = Telemetry()
    instruments = Instruments(telemetry)
    sink = open_sink(policies.observe.otlp_endpoint, {"service.name": project.root.name})
    tracer = Tracer(sink, ratio=policies.observe.trace_ratio)
    if sink is not None:
        instruments.watch_dropped_spans(lambda: float(sink.dropped))
    database.bind((STORED_ANSWER,))
    told: list[Callable[[], None]] = []
    parts = Parts(
        database,
        Keys(database.read, policies.idempotency),
        stores.limiter,
        policies,
        Sources(
            given.now, given.new_id or IdSource().new, Cursors(on.place.cursor_key), given.taking, given.answering, given.wall
        ),
        Deadlines(),
        HotRows(policies.commands.hot_row_seconds),
        tracer,
        reruns=_counted(instruments.reruns),
        limited=_counted(instruments.limited),
        told=lambda: _tell(told),
        after_commit=on.tidings.after_commit,
        caches=on.tidings.queries,
        advice=_advice(),
    )
    generations = Generations(database, stores.ddl, given.now)
    read_models = ReadModels(
        database,
        generations,
        [ReadModel.of(one, loaded.ddl(one)) for loaded in project.modules for one in modules[loaded.name].projections],
        [statement for loaded in project.modules for statement in loaded.statements],
        policies.queries.position_wait_seconds,
        LatePositions(database).of if stores.numbering is not None else None,
    )
    above = (telemetry, instruments, tracer, parts, on.log, generations, read_models, modules, on.tidings)
    return Core(model, on.place.seat, project, on.whole, stores, *above, [], [], {}, {}, told)


def _tell(listeners: Sequence[Callable[[], None]]) -> None:
    for listener in listeners:
        listener()


def _workshop(loaded: Loaded, core: Core) -> Workshop:
    shared = frozenset(name for name, kind in loaded.manifest.tables.items() if kind == "global")
    return Workshop(
        loaded.name,
        core.database.read,
        core.read_models,
        core.model.policies.commands,
        core.read_models.statements,
        frozenset(one for one in loaded.statements if shared & (one.reads | one.writes)),
        trace_calls=not core.model.environment.production,
    )


def _pipelines(
    found: Sequence[Operation], service: object, module: Module, shop: Workshop, parts: Parts
) -> list[OperationPipeline]:
    return [
        OperationPipeline(operation, getattr(service, operation.name), shop, parts, dict(module.constraints))
        for operation in found
    ]


def _counted(counter: Counter) -> Callable[[str], None]:
    cells: dict[str, Cell] = {}

    def count(operation: str) -> None:
        cell = cells.get(operation)
        if cell is None:
            cell = cells[operation] = counter.bind(operation)
        cell.add()

    return count


def _advice() -> Callable[[str, frozenset[str]], None]:
    """Report once per operation that its decision rests on rows it neither writes nor guards (laws 1)."""
    told: set[str] = set()

    def report(operation: str, tables: frozenset[str]) -> None:
        if operation not in told:
            told.add(operation)
            log.warning("%s decides on %s, which it neither writes nor guards; use work.guard", operation, sorted(tables))

    return report
