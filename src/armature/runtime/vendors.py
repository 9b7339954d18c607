"""Which vendor stands behind each port of a process: the environment's bindings, made into adapters.

One line per vendor. An optional vendor is behind its folder's `door.py`, which imports the driver when the binding asks for it
and refuses with the name of the extra when it is not installed.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from msgspec import Struct

from armature.adapters.memory.bus import MemoryBus
from armature.adapters.memory.cache import MemoryCache
from armature.adapters.memory.limiter import MemoryLimiter
from armature.adapters.memory.no_database import NoDatabase
from armature.adapters.memory.signal import MemorySignal
from armature.adapters.nats.door import nats
from armature.adapters.postgres.door import postgres
from armature.adapters.redis.door import redis
from armature.adapters.sqlite.database import SqliteDatabase
from armature.adapters.sqlite.ddl import SqliteDdl
from armature.adapters.sqlite.migrator import SqliteMigrator
from armature.adapters.sqlite.reading import SqliteReading
from armature.adapters.store.cache import StoreCache
from armature.adapters.store.database import StoreDatabase
from armature.adapters.store.guest import Guest
from armature.adapters.store.limiter import StoreLimiter
from armature.adapters.store.place import Hold
from armature.adapters.store.server import StoreServer
from armature.adapters.store.shared import Shared
from armature.adapters.store.signal import StoreSignal
from armature.engine.generations import Ddl
from armature.engine.shared_limit import SharedLimiter
from armature.ports.bus import Bus
from armature.ports.cache import Cache
from armature.ports.database import Database
from armature.ports.limiter import Limiter
from armature.ports.migrator import Migrator
from armature.ports.numbering import Numbering
from armature.ports.signal import Signal
from armature.runtime.addresses import Addresses
from armature.runtime.model import Model
from armature.runtime.project import Project
from armature.runtime.reaching import Opened, Reaching
from armature.runtime.storing import hold_path, socket_path, stored
from armature.runtime.topology import Role

__all__ = ["CountingDatabase", "Ground", "Inquiry", "Stores", "ground_of", "inquiries", "migrator_of", "stores_of"]

# Processes of a machine start together, and the owner has to migrate before it listens.
_OWNER_SECONDS = 30.0


class CountingDatabase(Database, Protocol):
    """A database that counts what it commits."""

    @property
    def commits(self) -> int:
        """Units committed since the start."""
        ...

    @property
    def batches(self) -> int:
        """Transactions that carried units since the start."""
        ...


class Stores(Struct):
    """The ports of one process that hold or carry state."""

    ground: "Ground"
    bus: Bus
    signal: Signal
    cache: Cache
    limiter: Limiter
    counted: Limiter
    """Where calls are counted when all is well: raises `Unavailable` where `limiter` goes on alone."""
    reaching: Reaching
    """Opens what the process can start without."""

    @property
    def database(self) -> CountingDatabase:
        """The database."""
        return self.ground.database

    @property
    def ddl(self) -> Ddl:
        """What makes the tables of read models."""
        return self.ground.ddl

    @property
    def numbering(self) -> Numbering | None:
        """Gives events their positions; None where the database does it at the commit."""
        return self.ground.numbering

    def serve(self, committed: Callable[[], None]) -> StoreServer | None:
        """Return what serves this process's database, and what is in its memory, to the other processes of the machine.

        None where it owns nothing. `committed` is called when one of them has recorded events.
        """
        if self.ground.serve is None:
            return None
        return self.ground.serve(committed, Shared(self.signal, self.cache, self.counted))

    async def open(self) -> None:
        """Open the database, which nothing works without, then the others as far as they are there."""
        try:
            await self.database.open()
            await self.reaching.open()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of everything, the database last."""
        await self.reaching.close()
        await self.ground.close()


class Ground(Struct, frozen=True):
    """The database alone, and what belongs to it. `after` is called when it is closed."""

    database: CountingDatabase
    ddl: Ddl
    numbering: Numbering | None = None
    after: Callable[[], Awaitable[None]] | None = None
    hold: Hold | None = None
    """The right to own the file, where one process owns it for all; taken before anything is opened."""
    serve: Callable[[Callable[[], None], Shared], StoreServer] | None = None
    """Serves it to other processes; told what to call when one of them has recorded events, and what else is for all."""
    guest: Guest | None = None
    """The way to the process that owns the file, and migrates it; None where this one writes itself."""

    def claim(self) -> None:
        """Become the owner where one process owns the file; refuse with words when another one is."""
        if self.hold is not None:
            self.hold.take()

    def unclaim(self) -> None:
        """Give that up."""
        if self.hold is not None:
            self.hold.release()

    async def close(self) -> None:
        """Let go of it."""
        await self.database.close()
        if self.after is not None:
            await self.after()
        self.unclaim()


class Inquiry(Struct, frozen=True):
    """A server that a doctor can ask: which ports it stands behind, and how it tells its settings."""

    vendor: str
    ports: tuple[str, ...]
    address: str
    ask: Callable[[], Awaitable[Mapping[str, str]]]
    """Raises `Unavailable` when the server is away."""


def inquiries(model: Model, addresses: Addresses) -> list[Inquiry]:
    """Return every server of the environment, once for each address."""
    ports: dict[tuple[str, str], list[str]] = {}
    for key in addresses.by_key:
        port = key.partition(".")[0]
        ports.setdefault((getattr(model.environment, port).adapter, addresses.of(key)), []).append(port)
    asks: dict[str, Callable[[str], Awaitable[Mapping[str, str]]]] = {
        "postgres": lambda url: postgres("inquiry").inquire(url),
        "nats": lambda url: nats("inquiry").inquire(url, model.installation),
        "redis": lambda url: redis("inquiry").inquire(url),
    }
    return [
        Inquiry(vendor, tuple(dict.fromkeys(behind)), url, partial(asks[vendor], url)) for (vendor, url), behind in ports.items()
    ]


def migrator_of(model: Model, project: Project, addresses: Addresses) -> Migrator:
    """Return what brings the database to where the project's files say."""
    binding = model.environment.database
    if binding.adapter == "postgres":
        url = addresses.of("database.url")
        owner = addresses.of("database.owner_url") if binding.owner_url else url
        login = _user(url) if owner != url else None
        migrator: Migrator = postgres("migrator").PostgresMigrator(owner, kinds=_kinds(project), login=login)
        return migrator
    model.database_path.parent.mkdir(parents=True, exist_ok=True)
    return SqliteMigrator(model.database_path)


def stores_of(
    model: Model,
    project: Project,
    addresses: Addresses,
    seconds: Callable[[], float],
    *,
    roles: frozenset[Role] | None = None,
    grounded: bool = True,
) -> Stores:
    """Make the adapters the environment names; nothing connects yet.

    `seconds` is the clock of rate limits. Only a process whose `roles` carry events to the broker, or from it, connects to it
    (None: a command beside the processes, which may); only one that is `grounded` has a database.
    """
    ground = ground_of(model, project, addresses, roles) if grounded else Ground(NoDatabase(), SqliteDdl())
    carries = roles is None or not roles.isdisjoint(("relay", "reactor"))
    make = _Maker(model, addresses, ground.guest)
    bus, signal, cache = make.bus(), make.signal(), make.cache()
    reached: dict[str, Opened] = {"signal": signal, "cache": cache, **({"bus": bus} if carries else {})}
    keys_max = model.policies.limits.keys_max
    counted: Limiter = MemoryLimiter(keys_max=keys_max, clock=seconds)
    limiter = counted
    if model.environment.limiter.adapter == "redis":
        shared = redis("limiter").RedisLimiter(make.redis("limiter.url"), model.installation, keys_max=keys_max)
        reached["limiter"] = counted = shared
        limiter = SharedLimiter(shared, limiter)
    elif ground.guest is not None:
        limiter = SharedLimiter(StoreLimiter(ground.guest), limiter)
    return Stores(ground, bus, signal, cache, limiter, counted, Reaching(reached))


def ground_of(model: Model, project: Project, addresses: Addresses, roles: frozenset[Role] | None = None) -> Ground:
    """Make the database the environment names, and nothing else; nothing connects yet.

    `roles` None: for a command beside the processes, which writes through the owner of the file while there is one.
    """
    if model.environment.database.adapter == "postgres":
        return _postgres(model, project, addresses)
    if not stored(model):
        return Ground(_sqlite(model), SqliteDdl())
    hold = Hold(hold_path(model))
    if roles is None:
        return _guest(model) if hold.taken else Ground(_sqlite(model), SqliteDdl())
    return _owner(model, hold) if "store" in roles else _guest(model)


class _Maker:
    """Makes what travels over a connection. One per server and process: ports with the same address share it.

    What is in memory is in that of the file's owner, where the process is its guest.
    """

    def __init__(self, model: Model, addresses: Addresses, guest: Guest | None) -> None:
        self._guest = guest
        self._environment = model.environment
        self._log_name = model.log_name
        self._addresses = addresses
        self._connections: dict[tuple[str, str], Any] = {}

    def nats(self, key: str) -> Any:
        """Return the connection to the NATS server of a port."""
        return self._shared("nats", key, lambda url: nats("connection").NatsConnection(url))

    def redis(self, key: str) -> Any:
        """Return the connections to the Redis server of a port."""
        return self._shared("redis", key, lambda url: redis("connection").RedisConnection(url))

    def bus(self) -> Bus:
        """Return the way to the broker."""
        made: Bus = MemoryBus()
        if self._environment.bus.adapter == "nats":
            made = nats("bus").NatsBus(self.nats("bus.url"), self._log_name)
        elif self._environment.bus.adapter == "redis":
            made = redis("bus").RedisBus(self.redis("bus.url"), self._log_name)
        return made

    def signal(self) -> Signal:
        """Return what wakes other processes."""
        made: Signal = MemorySignal() if self._guest is None else StoreSignal(self._guest)
        if self._environment.signal.adapter == "nats":
            made = nats("signal").NatsSignal(self.nats("signal.url"))
        elif self._environment.signal.adapter == "redis":
            made = redis("signal").RedisSignal(self.redis("signal.url"))
        return made

    def cache(self) -> Cache:
        """Return where answers are kept."""
        made: Cache = MemoryCache() if self._guest is None else StoreCache(self._guest)
        if self._environment.cache.adapter == "redis":
            made = redis("cache").RedisCache(self.redis("cache.url"))
        return made

    def _shared(self, vendor: str, key: str, connect: Callable[[str], Any]) -> Any:
        url = self._addresses.of(key)
        if (vendor, url) not in self._connections:
            self._connections[vendor, url] = connect(url)
        return self._connections[vendor, url]


def _sqlite(model: Model) -> SqliteDatabase:
    policies = model.policies
    turn_seconds = policies.commands.turn_seconds
    return SqliteDatabase(model.database_path, policy=policies.database, queries=policies.queries, turn_seconds=turn_seconds)


def _owner(model: Model, hold: Hold) -> Ground:
    database = _sqlite(model)

    def serve(committed: Callable[[], None], shared: Shared) -> StoreServer:
        return StoreServer(database, (model.database_path, socket_path(model)), committed, shared)

    return Ground(database, SqliteDdl(), hold=hold, serve=serve)


def _guest(model: Model) -> Ground:
    policies, file = model.policies, model.database_path
    reading = SqliteReading(file, synchronous=policies.database.synchronous, queries=policies.queries)
    guest = Guest(file, socket_path(model))
    return Ground(StoreDatabase(reading, guest, patience_seconds=_OWNER_SECONDS), SqliteDdl(), guest=guest)


def _postgres(model: Model, project: Project, addresses: Addresses) -> Ground:
    url, kinds = addresses.of("database.url"), _kinds(project)
    settings = postgres("settings").PostgresSettings.of(
        model.policies.postgres,
        url=url,
        owner_url=addresses.of("database.owner_url") if model.environment.database.owner_url else None,
        modules=tuple(kinds),
        application_name=f"armature {model.installation}",
    )
    policies = model.policies
    # A turn here is several round trips and an fsync of somebody else's disk.
    turn_seconds = max(1.0, policies.commands.turn_seconds)
    database = postgres("database").PostgresDatabase(settings, policy=policies.database, turn_seconds=turn_seconds)
    name = urlsplit(url).path.strip("/") or _user(url)
    lanes = postgres("lanes").Lanes(settings, 1)
    numbering = postgres("numbering").PostgresNumbering(lanes, postgres("grants").lane_role(name, "armature"))
    return Ground(database, postgres("ddl").PostgresDdl(name, kinds), numbering, lanes.close)


def _kinds(project: Project) -> dict[str, dict[str, str]]:
    """Of each module's tables whether they are a tenant's or the platform's: what walls are made of."""
    return {module.name: dict(module.manifest.tables) for module in project.modules}


def _user(url: str) -> str:
    return urlsplit(url).username or "postgres"
