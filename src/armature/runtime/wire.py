"""The composition root: the one place where adapters are made and handed to the engine.

Read top to bottom it is the whole system of one process: database, log and read models, then module by module its pipelines,
then the HTTP application over them.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, get_type_hints
from uuid import UUID

from msgspec import Struct

from armature.adapters.httpx2.door import open_http
from armature.adapters.memory.limiter import MemoryLimiter
from armature.adapters.otlp.extra import open_sink
from armature.adapters.prometheus.metrics import Exposition
from armature.adapters.sqlite.database import SqliteDatabase
from armature.adapters.sqlite.ddl import translate
from armature.adapters.sqlite.migrator import SqliteMigrator
from armature.engine import migrations
from armature.engine.call import Sources
from armature.engine.cursors import Cursors
from armature.engine.deadlines import Deadlines
from armature.engine.event_log import EventLog
from armature.engine.generations import Generations
from armature.engine.generations import Model as ReadModel
from armature.engine.hot_rows import HotRows
from armature.engine.idempotency import STORED_ANSWER, Keys
from armature.engine.ids import IdSource
from armature.engine.instruments import Instruments
from armature.engine.meters import Cell
from armature.engine.neighbour import LocalNeighbour
from armature.engine.pipeline import OperationPipeline, Parts
from armature.engine.read_models import ReadModels
from armature.engine.telemetry import Counter, Telemetry
from armature.engine.trace import Tracer
from armature.engine.work import Workshop
from armature.kernel.module import Module
from armature.kernel.operation import operations
from armature.ports.http import Http
from armature.runtime.model import Model
from armature.runtime.problems import ModelError, Problem
from armature.runtime.project import Loaded, Project, contracts_of
from armature.runtime.promises import refuse_open_types

__all__ = ["Core", "Given", "wire"]

log = logging.getLogger("armature.wire")


class Given(Struct, frozen=True, kw_only=True):
    """What a test or an embedding application may put in the place of the real thing."""

    now: Callable[[], datetime] = Sources.utc_now
    seconds: Callable[[], float] = time.monotonic
    """The clock of rate limits."""
    new_id: Callable[[], UUID] | None = None
    ports: Mapping[type, object] = {}
    """Ports by their type: `{Http: OutboundFake()}`."""


class Core(Struct):
    """Everything of a process below its edges. `open` before use, `close` after."""

    model: Model
    database: SqliteDatabase
    telemetry: Telemetry
    instruments: Instruments
    tracer: Tracer
    parts: Parts
    log: EventLog
    generations: Generations
    read_models: ReadModels
    modules: dict[str, Module]
    pipelines: list[OperationPipeline]
    told: list[Callable[[], None]]
    """Called after each commit that recorded events; roles that follow the log add themselves."""
    http: Http | None = None
    """The client of this process for the outside world; None when no module asked for one."""

    def pipeline(self, operation: str) -> OperationPipeline:
        """Return the pipeline of an operation by its full name."""
        return next(one for one in self.pipelines if one.operation.full_name == operation)

    def exposition(self) -> Exposition:
        """Return what `/metrics` shows."""
        return Exposition(self.telemetry)

    async def close(self) -> None:
        """Let go of everything, the database last."""
        self.parts.deadlines.stop()
        if self.http is not None:
            await self.http.close()
        await self.database.close()
        self.tracer.close(5.0)


async def wire(model: Model, project: Project, cursor_key: bytes, given: Given | None = None) -> Core:
    """Migrate, open and connect everything a process needs below its edges; raises what the doctor can explain."""
    refuse_open_types(project)
    given = given or Given()
    policies = model.policies
    database_path = model.database_path
    database_path.parent.mkdir(parents=True, exist_ok=True)
    migrations.migrate(SqliteMigrator(database_path), [(module.name, module.folder) for module in project.modules])
    database = SqliteDatabase(
        database_path,
        policy=policies.database,
        queries=policies.queries,
        turn_seconds=policies.commands.turn_seconds,
    )
    await database.open()
    try:
        return _connect(model, project, database, cursor_key, given)
    except BaseException:
        await database.close()
        raise


def _connect(model: Model, project: Project, database: SqliteDatabase, cursor_key: bytes, given: Given) -> Core:
    http = _client(model, project, given)
    modules, neighbours = _build(project, {Http: http, **given.ports} if http else given.ports)
    core = _core(model, project, database, cursor_key, given, modules)
    core.http = http
    for loaded in project.modules:
        shop = _workshop(loaded, core)
        database.bind(one for one in loaded.statements if one not in core.read_models.statements)
        for service in modules[loaded.name].offers:
            for contract in contracts_of(service):
                pipelines = _pipelines(contract, service, modules[loaded.name], shop, core.parts)
                core.pipelines += pipelines
                neighbours[contract].connect(pipelines)
    core.parts.deadlines.start()
    return core


def _client(model: Model, project: Project, given: Given) -> Http | None:
    asked = any(Http in get_type_hints(loaded.needs).values() for loaded in project.modules)
    return open_http(model.policies.outbound) if asked and Http not in given.ports else None


def _build(project: Project, ports: Mapping[type, object]) -> tuple[dict[str, Module], dict[type, LocalNeighbour]]:
    """Call every module's `build`, needed ones first. Neighbours are handed out now and connected when all stand."""
    modules: dict[str, Module] = {}
    neighbours: dict[type, LocalNeighbour] = {}
    for loaded in project.modules:
        modules[loaded.name] = module = loaded.build(_needs(loaded, {**ports, **neighbours}))
        if module.name != loaded.name:
            file = f"modules/{loaded.name}/module.py"
            raise ModelError([Problem(file, 0, "", f"build returns a module called {module.name!r}", f"call it {loaded.name!r}")])
        for service in module.offers:
            for contract in contracts_of(service):
                neighbours[contract] = LocalNeighbour()
    return modules, neighbours


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


def _core(
    model: Model, project: Project, database: SqliteDatabase, cursor_key: bytes, given: Given, modules: dict[str, Module]
) -> Core:
    policies = model.policies
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
        MemoryLimiter(keys_max=policies.limits.keys_max, clock=given.seconds),
        policies,
        Sources(given.now, given.new_id or IdSource().new, Cursors(cursor_key)),
        Deadlines(),
        HotRows(policies.commands.hot_row_seconds),
        tracer,
        reruns=_counted(instruments.reruns),
        limited=_counted(instruments.limited),
        told=lambda: _tell(told),
        advice=_advice(),
    )
    generations = Generations(database, partial(translate, file="projections"), given.now)
    read_models = ReadModels(
        database,
        generations,
        [ReadModel.of(one, loaded.ddl(one)) for loaded in project.modules for one in modules[loaded.name].projections],
        [statement for loaded in project.modules for statement in loaded.statements],
        policies.queries.position_wait_seconds,
    )
    event_log = EventLog(database, model.archive_path)
    return Core(model, database, telemetry, instruments, tracer, parts, event_log, generations, read_models, modules, [], told)


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


def _pipelines(contract: type, service: object, module: Module, shop: Workshop, parts: Parts) -> list[OperationPipeline]:
    return [
        OperationPipeline(operation, getattr(service, operation.name), shop, parts, dict(module.constraints))
        for operation in operations(contract)
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
