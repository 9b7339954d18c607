"""Two small modules on a real database: orders are placed, and a quota counts them by a reaction."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

from msgspec import Struct

from armature import Context, Event, change, event, select
from armature.adapters.memory.bus import MemoryBroker, MemoryBus
from armature.adapters.memory.limiter import MemoryLimiter
from armature.adapters.sqlite.database import SqliteDatabase
from armature.adapters.sqlite.migrator import SqliteMigrator
from armature.engine.call import Sources
from armature.engine.consumer import Consumer
from armature.engine.cursors import Cursors
from armature.engine.deadlines import Deadlines
from armature.engine.delivery_log import DeliveryLog, DeliveryParts
from armature.engine.generations import unit
from armature.engine.hot_rows import HotRows
from armature.engine.idempotency import Keys
from armature.engine.lease import Lease
from armature.engine.migrations import migrate
from armature.engine.pipeline_parts import Parts
from armature.engine.policies import DeliveryPolicy, Policies
from armature.engine.reactions import ReactionRunner
from armature.engine.relay import Relay
from armature.engine.requests import Requests
from armature.engine.trace import Tracer
from armature.engine.work import Workshop
from armature.kernel.reaction import Reaction, on
from armature.ports.bus import Bus
from armature.ports.database import Committed, Database, EventRow
from armature.ports.migrator import Migrator

TENANT = "acme"
DDL = """
create table quota_used (
    tenant_id text   not null,
    buyer     text   not null,
    used      bigint not null,
    version   bigint not null,
    primary key (tenant_id, buyer)
);
"""

# Only a bug takes so long.
_SECONDS_MAX = 120.0


class Used(Struct, frozen=True):
    """A row of quota_used."""

    buyer: str
    used: int
    version: int


@event("order.placed", schema=1, stream="order_id", version="version")
class OrderPlaced(Event, frozen=True):
    """Somebody bought."""

    order_id: str
    buyer: str
    amount: int
    version: int


@event("quota.counted", schema=1, stream="buyer")
class QuotaCounted(Event, frozen=True):
    """A buyer's quota knows of a purchase."""

    buyer: str
    used: int


BY_BUYER = select(Used, "select buyer, used, version from quota_used where tenant_id = :tenant_id and buyer = :buyer")
ADD = change("insert into quota_used (tenant_id, buyer, used, version) values (:tenant_id, :buyer, :used, 1)", row=("buyer",))
SAVE = change(
    """
update quota_used set used = :used, version = :expected + 1
 where tenant_id = :tenant_id and buyer = :buyer and version = :expected
""",
    row=("buyer",),
    cas="expected",
)


class Refusal(Exception):
    """What a bug in a module looks like."""


class Settle(Reaction, name="quota.settle", start="beginning"):
    """Counts what was bought; an amount of 666 is beyond it until it is healed."""

    def __init__(self) -> None:
        self.healed = False
        self.causes: list[tuple[str, str, str]] = []

    @on(OrderPlaced)
    async def settle(self, ctx: Context, event: OrderPlaced) -> None:
        if event.amount == 666 and not self.healed:
            raise Refusal("beyond me")
        row = await ctx.work.maybe(BY_BUYER, buyer=event.buyer)
        if row is None:
            ctx.work.plan(ADD, buyer=event.buyer, used=event.amount)
        else:
            ctx.work.plan(SAVE, buyer=event.buyer, used=row.used + event.amount, expected=row.version)
        ctx.work.publish(QuotaCounted(event.buyer, event.amount))
        self.causes.append((ctx.actor, ctx.tenant, ctx.request_id))


class Shop:
    """One process: a relay and a reactor, stepped by hand."""

    def __init__(
        self, database: Database, folder: Path, broker: MemoryBroker, policy: DeliveryPolicy, bus: Bus | None = None
    ) -> None:
        database.bind((BY_BUYER, ADD, SAVE))
        self.database = database
        self.broker = broker
        self.requests = Requests(database, now)
        self.reaction = Settle()
        parts = DeliveryParts(database, DeliveryLog(database, folder), bus or MemoryBus(broker), self.requests, policy, now)
        self.relay = Relay(parts, Lease(database, "relay:broker", uuid4().hex, policy.lease_seconds))
        runner = ReactionRunner(self.reaction, _workshop(database), _parts(database), {})
        self.consumer = Consumer(runner.wanted, parts, runner.take)

    async def place(self, order: str, amount: int, version: int = 1, buyer: str = "ann", tenant: str = TENANT) -> UUID:
        """Record an order as its module's command does."""
        body = b'{"order_id":"%s","buyer":"%s","amount":%d,"version":%d}' % (order.encode(), buyer.encode(), amount, version)
        row = EventRow(uuid4(), "order.placed", 1, tenant, f"order/{order}", version, body, "corr", "cmd", None, "ann", 0, now())
        one = unit([])
        one.events = (row,)
        assert isinstance(await self.database.commit(one), Committed)
        return row.event_id

    async def until(self, wanted: Callable[[], Any], what: str) -> None:
        """Step relay and consumer until something is so."""
        until = monotonic() + _SECONDS_MAX
        while not await wanted():
            assert monotonic() < until, f"{what}: not in {_SECONDS_MAX:g} s"
            await self.relay.step()
            await self.consumer.step()

    async def used(self, buyer: str = "ann") -> int:
        """Return what a buyer's quota knows."""
        ((*rows,),) = await self.database.read(((BY_BUYER, (TENANT, buyer)),))
        return rows[0].used if rows else 0


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def migrated(migrator: Migrator, folder: Path) -> None:
    """Make the framework's and the module's tables."""
    migrations = folder / "quota" / "migrations"
    migrations.mkdir(parents=True, exist_ok=True)
    (migrations / "0001_create_quota.sql").write_text(DDL)
    migrate(migrator, [("quota", migrations.parent)])


@asynccontextmanager
async def on_sqlite(
    folder: Path, broker: MemoryBroker | None = None, bus: Bus | None = None, **policy: Any
) -> AsyncIterator[Shop]:
    """A shop on a file; opened again on the same folder it goes on."""
    migrated(SqliteMigrator(folder / "shop.db"), folder)
    policies = Policies()
    database = SqliteDatabase(folder / "shop.db", policy=policies.database, queries=policies.queries, turn_seconds=1.0)
    await database.open()
    try:
        yield Shop(database, folder, broker or MemoryBroker(), _policy(**policy), bus)
    finally:
        await database.close()


def _policy(**given: Any) -> DeliveryPolicy:
    return DeliveryPolicy(**{"retry_seconds": 0.001, "broker_check_seconds": 0.001, **given})


def _parts(database: Database) -> Parts:
    policies = Policies()
    sources = Sources(now, uuid4, Cursors(b"k" * 32))
    keys = Keys(database.read, policies.idempotency)
    return Parts(database, keys, MemoryLimiter(keys_max=10), policies, sources, Deadlines(), HotRows(0.1), Tracer(None))


def _workshop(database: Database) -> Workshop:
    return Workshop("quota", database.read, None, Policies().commands)  # type: ignore[arg-type]
