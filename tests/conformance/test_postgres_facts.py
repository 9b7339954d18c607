"""What the adapter promises about PostgreSQL itself: types, restarts, limits, and who may see whose rows in a shared read."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from itertools import count
from typing import Any, Literal
from uuid import UUID, uuid4

import pytest
from msgspec import Struct, structs

from armature.adapters.postgres.database import PostgresDatabase
from armature.adapters.postgres.grants import lane_role
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.plan import numbered
from armature.adapters.postgres.settings import PostgresSettings
from armature.conformance.database_world import raises
from armature.engine.migrations import migrate
from armature.engine.policies import DatabasePolicy
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import Select, select
from armature.testing.servers import LocalPostgres

pytestmark = pytest.mark.slow

_numbers = count(1)
LOGIN = "facts_login"
TENANTS = [f"t{n}" for n in range(5)] + ['t"quo\\ted', "t'quote", "tä,{}", "NULL", ""]
TABLES = """
create table fact_things (tenant_id text not null, id bigint not null, note text, primary key (tenant_id, id));
"""


class Thing(Struct, frozen=True):
    tenant_id: str
    id: int
    note: str | None


OF_TENANT = select(Thing, "select id, note, tenant_id from fact_things where tenant_id = :tenant_id order by id desc limit :most")
AMONG = select(Thing, "select tenant_id, id, note from fact_things where tenant_id = :tenant_id and id in (:ids) order by id")
FORGETFUL = select(Thing, "select tenant_id, id, note from fact_things where :tenant_id <> 'nobody' order by tenant_id, id")
EVERYBODY = select(int, "select count(*) as n from fact_things")
DIVIDED = select(int, "select id / :by as n from fact_things where tenant_id = :tenant_id and id = 1")
SLEPT = select(str, "select pg_sleep(cast(:seconds as float))::text as slept")
PID = select(int, "select pg_backend_pid() as pid where :n = :n + 0")
BEGUN = select(str, "select statement_timestamp()::text as begun where :n = :n + 0")
RUNNING = select(int, "select count(*) as n from pg_stat_activity where query like :like and state = 'active'")
ASLEEP = ("%armature_ask%pg_sleep%",)
STATEMENTS = [OF_TENANT, AMONG, FORGETFUL, EVERYBODY, DIVIDED, SLEPT, PID]


@asynccontextmanager
async def opened(settings: PostgresSettings, *statements: Select[Any]) -> AsyncIterator[PostgresDatabase]:
    database = PostgresDatabase(settings, policy=DatabasePolicy(), turn_seconds=1.0)
    await database.open()
    try:
        database.bind(statements or STATEMENTS)
        yield database
    finally:
        await database.close()


@pytest.fixture
def walled(postgres: LocalPostgres, tmp_path: Any) -> PostgresSettings:
    """Things of several tenants behind both walls."""
    name = f"facts_{next(_numbers)}"
    owner = postgres.create_database(name)
    postgres.sql(f"do $$ begin create role {LOGIN} login; exception when duplicate_object then end $$")
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_create_things.postgres.sql").write_text(TABLES)
    migrate(PostgresMigrator(owner, kinds={"fact": {"fact_things": "tenant"}}, login=LOGIN), [("fact", tmp_path)])
    for tenant in TENANTS:
        quoted = tenant.replace("'", "''")
        rows = ",".join(f"('{quoted}', {n}, '{quoted} {n}')" for n in range(20))
        postgres.sql(f"set app.migrating = 'on'; insert into fact_things values {rows}", name)
    return PostgresSettings(url=postgres.url(name, LOGIN), owner_url=owner, modules=("fact",))


@pytest.fixture
def bare(postgres_url: str) -> PostgresSettings:
    return PostgresSettings(url=postgres_url, roles=False, row_security=False)


@pytest.fixture
def own() -> Iterator[LocalPostgres]:
    """A server that a test may kill."""
    with LocalPostgres() as server:
        yield server


def settings_on(server: LocalPostgres, **more: Any) -> PostgresSettings:
    return PostgresSettings(url=server.create_database("facts"), roles=False, row_security=False, **more)


# Shared reads


async def test_of_many_tenants_in_one_round_trip_each_sees_its_own_rows_in_its_own_order(walled: PostgresSettings) -> None:
    chance = random.Random(7)
    async with opened(walled) as database:

        async def ask() -> None:
            tenant, most = chance.choice([*TENANTS, "nobody"]), chance.randrange(0, 6)
            wanted = [] if tenant == "nobody" else [Thing(tenant, n, f"{tenant} {n}") for n in range(19, 19 - most, -1)]
            seen = await database.read([(OF_TENANT, (tenant, most))])
            assert {thing.tenant_id for rows in seen for thing in rows} <= {tenant}, "a tenant reads another one's rows"
            assert seen == [wanted]
            ids = chance.sample(range(40), chance.randrange(0, 5))
            found = [] if tenant == "nobody" else [Thing(tenant, n, f"{tenant} {n}") for n in sorted(ids) if n < 20]
            assert await database.read([(AMONG, (tenant, ids))]) == [found]

        for _ in range(5):
            await asyncio.gather(*(ask() for _ in range(300)))


async def test_who_asks_in_the_next_turns_of_the_loop_shares_the_round_trip(bare: PostgresSettings) -> None:
    async with opened(bare, BEGUN) as database:
        await database.read([(BEGUN, (0,))])  # prepared

        async def ask(turns: int) -> str:
            for _ in range(turns):
                await asyncio.sleep(0)
            ((begun,),) = await database.read([(BEGUN, (turns,))])
            return str(begun)

        first, *others, late = await asyncio.gather(*map(ask, (0, 1, 2, 3, 40)))
        assert others == [first] * 3
        assert late != first, "nobody waits for whoever may come later"


async def test_a_statement_that_forgot_its_tenant_sees_no_more_than_its_callers_tenants(walled: PostgresSettings) -> None:
    async with opened(walled) as database:
        (alone,) = await database.read([(FORGETFUL, ("t1",))])
        assert {thing.tenant_id for thing in alone} == {"t1"} and len(alone) == 20
        (one, none) = await database.read([(FORGETFUL, ("t2",)), (EVERYBODY, ())])
        assert {thing.tenant_id for thing in one} == {"t2"} and none == [20]
        # Nothing of the last callers' tenants stays behind on the connection.
        assert await database.read([(EVERYBODY, ())]) == [[0]]


async def test_the_policies_know_the_tenants_however_the_planner_would_like_to_join(walled: PostgresSettings) -> None:
    for off in ("enable_nestloop", "enable_indexscan", "enable_material", "enable_hashagg"):
        async with opened(walled) as database:
            reader: Any = database._reader
            async with reader._lanes.taken(None) as connection:
                await connection.execute(f"set {off} = off; set enable_bitmapscan = off")
            asked = await asyncio.gather(*(database.read([(OF_TENANT, (tenant, 20))]) for tenant in TENANTS))
            assert [len(rows) for (rows,) in asked] == [20] * len(TENANTS)


async def test_values_that_fail_harm_nobody_who_asked_at_the_same_time(walled: PostgresSettings) -> None:
    async with opened(walled) as database:
        asks = [database.read([(DIVIDED, (by, "t1"))]) for by in (1, 0, 1, "x", 1, 2**70)]
        first, zero, second, text, third, large = await asyncio.gather(*asks, return_exceptions=True)
        assert [first, second, third] == [[[1]]] * 3
        assert isinstance(zero, ValueError) and "division by zero" in str(zero) and DIVIDED.home in str(zero)
        assert isinstance(text, TypeError) and "'by'" in str(text) and DIVIDED.home in str(text)
        assert isinstance(large, ValueError) and DIVIDED.home in str(large)


async def test_a_module_reads_under_its_own_role(walled: PostgresSettings) -> None:
    who = select(str, "select current_user::text as name from fact_things where tenant_id = :tenant_id limit 1")
    async with opened(walled, who) as database:
        name = walled.url.rpartition("/")[2]
        assert await database.read([(who, ("t1",))]) == [[lane_role(name, "fact")]]
        assert await database.read([(who, ("t1",)), (who, ("t2",))]) == [[lane_role(name, "fact")]] * 2


async def test_a_cancelled_read_ends_on_the_server_and_leaves_the_pool_whole(bare: PostgresSettings) -> None:
    one = PostgresSettings(url=bare.url, roles=False, row_security=False, read_size=2)
    async with opened(one, SLEPT, RUNNING) as database:
        for _ in range(3):
            waiting = asyncio.create_task(database.read([(SLEPT, (60.0,))]))
            while await database.read([(RUNNING, ASLEEP)]) == [[0]]:
                assert not waiting.done()
            waiting.cancel()
            assert await asyncio.gather(waiting, return_exceptions=True) != [None]
            while await database.read([(RUNNING, ASLEEP)]) != [[0]]:
                pass
        assert await database.read([(SLEPT, (0.0,))]) == [[""]]


async def test_a_caller_that_leaves_takes_nobody_with_it(bare: PostgresSettings) -> None:
    async with opened(bare, SLEPT, RUNNING) as database:
        staying, leaving, other = (asyncio.create_task(database.read([(SLEPT, (0.3,))])) for _ in range(3))
        while await database.read([(RUNNING, ASLEEP)]) == [[0]]:
            assert not leaving.done()
        leaving.cancel()
        async with asyncio.timeout(20):
            assert await asyncio.gather(staying, other) == [[[""]], [[""]]]


# Types


class Colour(Enum):
    RED = "red"


class Inner(Struct, frozen=True):
    when: datetime
    amounts: list[Decimal]


class Everything(Struct, frozen=True, kw_only=True):
    a: UUID
    b: str
    c: int
    d: float
    e: bool
    f: datetime
    g: Inner
    h: bytes
    i: Colour
    j: Literal["x"]
    k: dict[str, int] | None
    m: Decimal
    n: bytes


TYPED = select(
    Everything,
    "select a, b, c, d, e, f, g, h, i, j, k, m, n from typed where a = :a and b = :b and c = :c and d = :d and e = :e and f = :f"
    " and g = :g and h = :h and i = :i and j = :j and k is not distinct from :k and m = :m and n = :n",
)
TYPES = """
create table typed (a uuid, b text, c bigint, d double precision, e boolean, f timestamptz, g jsonb, h bytea, i text, j text,
                    k jsonb, m text, n text)
"""


@pytest.mark.parametrize("nested", [None, {"x": 1}])
async def test_every_column_word_gives_back_what_was_put_in(bare: PostgresSettings, nested: dict[str, int] | None) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 789012, tzinfo=timezone(timedelta(hours=3)))
    value = Everything(
        a=uuid4(), b="naïve\n'\"\\", c=-(2**63), d=1e-300, e=True, f=moment, g=Inner(moment.astimezone(UTC), [Decimal("1.10")]),
        h=b"\x00\xff", i=Colour.RED, j="x", k=nested, m=Decimal("0.30"), n=b"text",
    )  # fmt: skip
    values = tuple(getattr(value, name) for name in TYPED.params)
    async with opened_with(bare, TYPES) as database:
        database.bind([TYPED])
        async with await _fresh(bare) as connection:
            plan = database._plans[TYPED]
            marks = ", ".join(f"${n + 1}" for n in range(len(values)))
            await connection.execute(f"insert into typed values ({marks})", *plan.encode(values))
        for asks in ([(TYPED, values)], [(TYPED, values)] * 2):
            for ((found,),) in [[rows] for rows in await database.read(asks)]:
                assert found == value and type(found.a) is UUID and found.f.tzinfo is UTC
        naive = tuple(moment.replace(tzinfo=None) if name == "f" else one for name, one in zip(TYPED.params, values, strict=True))
        refused = await raises(TypeError, database.read([(TYPED, naive)]))
        assert "'f'" in str(refused) and "time zone" in str(refused) and TYPED.home in str(refused)


@asynccontextmanager
async def opened_with(settings: PostgresSettings, script: str) -> AsyncIterator[PostgresDatabase]:
    database = PostgresDatabase(settings, policy=DatabasePolicy(), turn_seconds=1.0)
    await database.open()
    try:
        await database.script(script)
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def _closing(connection: Any) -> AsyncIterator[Any]:
    try:
        yield connection
    finally:
        await connection.close()


async def _fresh(settings: PostgresSettings) -> Any:
    return _closing(await Lanes(settings, 1).fresh())


def test_parameters_are_found_where_they_are_and_nowhere_else() -> None:
    statement = select(
        int,
        "select 1 as n -- :not\n where ':nor' = :a and x::text in (:b) and y not in ( :c ) and \"z\" in (1, :a)",
    )
    assert numbered(statement, lambda index: f"${index + 1}") == (
        "select 1 as n -- :not\n where ':nor' = $1 and x::text = any ($2) and y <> all ($3) and \"z\" in (1, $1)"
    )


# Troubles


async def test_a_restart_of_the_server_needs_none_of_ours(own: LocalPostgres) -> None:
    async with opened(settings_on(own), SLEPT, PID) as database:
        assert len(await asyncio.gather(*(database.read([(PID, (n,))] * 2) for n in range(6)))) == 6
        own.restart()
        assert await asyncio.gather(*(database.read([(SLEPT, (0.0,))]) for _ in range(6))) == [[[""]]] * 6
        own.stop()
        refused = await raises(Unavailable, database.read([(SLEPT, (0.0,))]))
        assert refused.retry_after_seconds > 0  # type: ignore[attr-defined]
        own.start()
        assert await database.read([(SLEPT, (0.0,))]) == [[""]]


async def test_when_all_sessions_are_ended_the_next_call_works(own: LocalPostgres) -> None:
    async with opened(settings_on(own), SLEPT, PID) as database:
        for asks in ([(PID, (1,))], [(PID, (1,))] * 2):
            await asyncio.gather(*(database.read([(PID, (n,))] * 2) for n in range(6)))
            own.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'armature'")
            assert len(await database.read(asks)) == len(asks)


async def test_a_read_whose_session_is_ended_under_it_is_asked_again(own: LocalPostgres) -> None:
    running = (
        "select count(*) from pg_stat_activity where state = 'active' and query like '%pg_sleep%' and pid <> pg_backend_pid()"
    )
    async with opened(settings_on(own), SLEPT) as database:
        for asks in ([(SLEPT, (1.0,))], [(SLEPT, (1.0,)), (SLEPT, (0.0,))]):
            reading = asyncio.create_task(database.read(asks))
            while await asyncio.to_thread(own.sql, running) == "0":
                assert not reading.done()
            own.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()"
            )
            assert await reading == [[""]] * len(asks)


async def test_a_statement_that_takes_too_long_is_stopped_and_the_next_is_not(bare: PostgresSettings) -> None:
    quick = PostgresSettings(url=bare.url, roles=False, row_security=False, statement_seconds=0.2)
    async with opened(quick, SLEPT) as database:
        for asks in ([(SLEPT, (60.0,))], [(SLEPT, (60.0,)), (SLEPT, (0.0,))]):
            assert "took too long" in str(await raises(Unavailable, database.read(asks)))
        assert await database.read([(SLEPT, (0.0,))]) == [[""]]


async def test_who_finds_no_connection_is_told_so_and_nobody_is_lost(bare: PostgresSettings) -> None:
    small = PostgresSettings(url=bare.url, roles=False, row_security=False, read_size=2, acquire_seconds=0.2)
    async with opened(small, SLEPT) as database:
        asks = [database.read([(SLEPT, (0.7,)), (SLEPT, (0.0,))]) for _ in range(6)]
        told = await asyncio.gather(*asks, return_exceptions=True)
        assert sum(isinstance(one, Unavailable) and "2 connections are busy" in str(one) for one in told) == 4
        assert sum(one == [[""], [""]] for one in told) == 2


async def test_a_slow_statement_leaves_connections_to_others(bare: PostgresSettings) -> None:
    small = PostgresSettings(url=bare.url, roles=False, row_security=False, read_size=4)
    async with opened(small, SLEPT, RUNNING) as database:
        await database.read([(SLEPT, (0.2,))])
        slow = [asyncio.create_task(database.read([(SLEPT, (0.2,))])) for _ in range(12)]
        most = 0
        while not all(one.done() for one in slow):
            ((now,),) = await database.read([(RUNNING, ASLEEP)])
            most = max(most, now)
        assert most == 2
        assert await asyncio.gather(*slow) == [[[""]]] * 12


async def test_a_server_that_may_forget_is_refused(own: LocalPostgres) -> None:
    settings = settings_on(own)
    own.sql("alter database facts set synchronous_commit = off")
    database = PostgresDatabase(settings, policy=DatabasePolicy(), turn_seconds=1.0)
    assert "synchronous_commit is off" in str(await raises(Unavailable, database.open()))
    own.sql("alter database facts reset synchronous_commit")
    async with opened(settings, SLEPT) as fit:
        assert await fit.read([(SLEPT, (0.0,))]) == [[""]]


async def test_the_server_looks_after_clients_that_say_nothing_for_long(bare: PostgresSettings) -> None:
    setting = select(str, "select current_setting(:name) as value")
    async with opened(bare, setting) as database:
        for name, value in (("idle", "5"), ("interval", "5"), ("count", "2")):
            assert await database.read([(setting, (f"tcp_keepalives_{name}",))]) == [[value]]
        # The kernel's own number of the session's socket, where it has one.
        assert await database.read([(setting, ("tcp_user_timeout",))]) == [["15000" if sys.platform == "linux" else "0"]]


async def test_a_session_over_a_socket_of_the_machine_ignores_what_is_of_the_network(own: LocalPostgres) -> None:
    setting = select(str, "select current_setting(:name) as value")
    folder = own.sql("show unix_socket_directories")
    settings = structs.replace(settings_on(own), url=f"postgresql://postgres@/facts?host={folder}&port={own.port}")
    async with opened(settings, setting) as database:
        for name in ("tcp_keepalives_idle", "tcp_user_timeout"):
            assert await database.read([(setting, (name,))]) == [["0"]]


async def test_lanes_that_are_missing_are_named_with_the_cure(bare: PostgresSettings) -> None:
    database = PostgresDatabase(PostgresSettings(url=bare.url, modules=("fact",)), policy=DatabasePolicy(), turn_seconds=1.0)
    refused = str(await raises(Unavailable, database.open()))
    assert "no lane for armature, fact" in refused and "armature migrate" in refused


async def test_an_address_nobody_listens_at_is_refused_with_words() -> None:
    for url, word in (("postgresql://nobody@127.0.0.1:1/x", "does not answer"), ("nonsense://x", "not understood")):
        database = PostgresDatabase(PostgresSettings(url=url), policy=DatabasePolicy(), turn_seconds=1.0)
        assert word in str(await raises(Unavailable, database.open()))
