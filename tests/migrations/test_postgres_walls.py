"""A module's SQL cannot reach a neighbour's tables, and no SQL another tenant's rows: tried by hand, as the roles themselves.

The owner here is no superuser, and the system logs in as somebody else, as an installation should.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from armature.adapters.postgres.ddl import PostgresDdl
from armature.adapters.postgres.grants import lane_role, refuse_unsafe_roles
from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.session import Session, connected
from armature.engine.ddl import renamed_ddl
from armature.engine.migrations import migrate
from armature.ports.migrator import SchemaRefused
from armature.testing.servers import LocalPostgres

pytestmark = pytest.mark.slow

KINDS = {"shop": {"shop_countries": "global"}, "stock": {}}
SHOP = """
create table shop_items (tenant_id text not null, id bigint not null, name text not null, primary key (tenant_id, id));
create table shop_countries (code text not null primary key);
"""
STOCK = "create table stock_places (tenant_id text not null, id bigint not null, primary key (tenant_id, id));"
HISTORY = "create table shop_history (tenant_id text not null, id bigint not null, primary key (tenant_id, id));"
DENIED = asyncpg.InsufficientPrivilegeError
numbers = count(1)


class World:
    """A database with two modules, its owner and its login."""

    def __init__(self, server: LocalPostgres, folder: Path) -> None:
        self.database = f"walls_{next(numbers)}"
        self.owner, self.login = f"{self.database}_owner", f"{self.database}_app"
        server.sql(f"create role {self.owner} login createrole")
        server.sql(f"create role {self.login} login")
        server.sql(f"create database {self.database} owner {self.owner} template template0")
        self.server = server
        self.modules = [self.module(folder, "shop", SHOP), self.module(folder, "stock", STOCK)]
        self.migrator = PostgresMigrator(server.url(self.database, self.owner), kinds=KINDS, login=self.login)

    def module(self, folder: Path, name: str, *texts: str) -> tuple[str, Path]:
        migrations = folder / name / "migrations"
        migrations.mkdir(parents=True, exist_ok=True)
        for number, text in enumerate(texts, start=1):
            (migrations / f"{number:04}_create.postgres.sql").write_text(text)
        return name, folder / name

    def migrate(self) -> None:
        migrate(self.migrator, self.modules)

    def as_owner(self, sql: str) -> None:
        with connected(self.server.url(self.database, self.owner), **{"app.migrating": "on"}) as session:
            session.run(sql)

    def lane(self, module: str, *tenants: str) -> "Lane":
        return Lane(self, module, tenants)


class Lane:
    """One transaction of a module's, as the running system opens it."""

    def __init__(self, world: World, module: str, tenants: tuple[str, ...]) -> None:
        self._session = Session(world.server.url(world.database, world.login))
        self._open = f'begin; set local role "{lane_role(world.database, module)}"'
        self._tenants = "{" + ",".join(tenants) + "}"

    def run(self, sql: str) -> str:
        self._session.run(self._open)
        try:
            self._session.rows("select set_config('app.tenants', $1, true)", self._tenants)
            tag = self._session.run(sql)
            self._session.run("commit")
            return tag
        finally:
            if self._session.in_transaction:
                self._session.run("rollback")

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def world(postgres: LocalPostgres, tmp_path: Path) -> World:
    made = World(postgres, tmp_path)
    made.migrate()
    return made


@pytest.fixture
def shop(world: World) -> Iterator[Lane]:
    lane = world.lane("shop", "ann", "bob")
    yield lane
    lane.close()


@pytest.fixture
def stock(world: World) -> Iterator[Lane]:
    lane = world.lane("stock", "ann", "bob")
    yield lane
    lane.close()


def test_a_module_uses_its_own_tables(shop: Lane) -> None:
    assert shop.run("insert into shop_items values ('ann', 1, 'a'), ('bob', 1, 'b')") == "INSERT 0 2"
    assert shop.run("update shop_items set name = 'c' where id = 1") == "UPDATE 2"
    assert shop.run("select 1 from shop_items") == "SELECT 2"
    assert shop.run("insert into shop_countries values ('de')") == "INSERT 0 1"
    assert shop.run("delete from shop_items") == "DELETE 2"


@pytest.mark.parametrize(
    "sql",
    [
        "select * from shop_items",
        "insert into shop_items values ('ann', 9, 'x')",
        "update shop_items set name = 'x'",
        "delete from shop_items",
        "truncate shop_items",
        "alter table shop_items add column more text",
        "drop table shop_items",
        "create table stock_more (id int)",
        "create view stock_view as select * from shop_items",
        "create function stock_f() returns bigint language sql as 'select count(*) from shop_items'",
        "select id from armature_outbox",
        "insert into armature_keys values ('ann', '', '', '', false, null, now())",
        "update armature_head set last = 0",
        "select * from armature_migrations",
        "lock table shop_items in access share mode",
        "select nextval('armature_outbox_id_seq')",
        "alter table stock_places disable row level security",
    ],
)
def test_a_module_cannot_reach_what_is_not_its_own(stock: Lane, sql: str) -> None:
    with pytest.raises(DENIED):
        stock.run(sql)


def _told(*types: str, fresh: bool) -> str:
    """Return the call by which a lane tells events of these types, without keys."""
    n = len(types)
    number = ["null::integer"] if not fresh else []

    def column(held: str, *values: str) -> str:
        return f"array[{', '.join(values * n if len(values) == 1 else values)}]::{held}[]"

    keys = [f"'{{}}'::{held}[]" for held in ("text", "bytea", "bytea", "bytea", "boolean", "timestamptz", "integer")]
    if not fresh:
        keys.insert(5, "'{}'::timestamptz[]")
    events = [
        *[column("integer", one) for one in number],
        column("uuid", "gen_random_uuid()"),
        column("text", *[f"'{one}'" for one in types]),
        *[column(held, "null" if held == "bigint" else "'1'") for held in ("integer", "text", "text", "bigint", "text")],
        *[column("text", "'x'")] * 5,
        column("smallint", "1"),
        column("timestamptz", "now()"),
    ]
    if fresh:
        events += ["'{}'::integer[]", f"array{[*range(1, n + 1)]}", "null"]
    return f"select armature_commit{'_fresh' if fresh else ''}({', '.join([*keys, *events])})"


@pytest.mark.parametrize("fresh", [False, True])
def test_a_module_tells_its_own_events_alone(world: World, stock: Lane, fresh: bool) -> None:
    for types in (("stock.moved",), ("stock.moved", "stock.moved"), ("stock.moved", "stock.counted", "stock.moved")):
        assert stock.run(_told(*types, fresh=fresh)) == "SELECT 1"
    foreign = (("shop.sold",), ("shop.sold", "shop.sold"), ("stock.moved", "shop.sold"), ("stock.moved", "stock_x.moved"), ("",))
    for types in foreign:
        with pytest.raises(DENIED, match="module stock may not tell"):
            stock.run(_told(*types, fresh=fresh))
    lane = world.lane("armature")
    try:
        assert lane.run(_told("shop.sold", fresh=fresh)) == "SELECT 1"
    finally:
        lane.close()


def test_a_view_and_a_function_that_the_owner_made_open_no_door(world: World, stock: Lane) -> None:
    text = (
        "create view stock_view as select id from shop_items;\n"
        "create function stock_count() returns bigint language sql security definer as 'select count(*) from shop_items';\n"
        "create function shop_count() returns bigint language sql as 'select 42::bigint';\n"
    )
    (world.modules[1][1] / "migrations" / "0002_doors.postgres.sql").write_text(text)
    world.migrate()
    for sql in ("select * from stock_view", "select stock_count()", "select shop_count()"):
        with pytest.raises(DENIED):
            stock.run(sql)


def test_a_query_that_forgot_the_tenant_returns_own_rows_alone(world: World, shop: Lane) -> None:
    shop.run("insert into shop_items values ('ann', 1, 'a'), ('bob', 1, 'b')")
    ann, nobody = world.lane("shop", "ann"), world.lane("shop")
    try:
        assert ann.run("select * from shop_items") == "SELECT 1"
        assert ann.run("update shop_items set name = 'mine'") == "UPDATE 1"
        assert ann.run("delete from shop_items where tenant_id = 'bob'") == "DELETE 0"
        assert nobody.run("select * from shop_items") == "SELECT 0"
        for sql in ("insert into shop_items values ('bob', 2, 'x')", "update shop_items set tenant_id = 'bob'"):
            with pytest.raises(DENIED, match="row-level security"):
                ann.run(sql)
    finally:
        ann.close()
        nobody.close()


def test_the_owner_is_bound_too_unless_it_migrates(world: World, shop: Lane) -> None:
    shop.run("insert into shop_items values ('ann', 1, 'a')")
    with connected(world.server.url(world.database, world.owner)) as session:
        assert session.rows("select count(*) from shop_items") == [(0,)]
        session.run("begin; select set_config('app.tenants', '{ann}', true)")
        assert session.rows("select count(*) from shop_items") == [(1,)]
        # What remains of a setting after its transaction is an empty text: it denies instead of failing.
        session.run("commit")
        assert session.rows("select current_setting('app.tenants', true), count(*) from shop_items") == [("", 0)]
    with connected(world.server.url(world.database, world.owner), **{"app.migrating": "on"}) as session:
        assert session.rows("select count(*) from shop_items") == [(1,)]


def test_saying_aloud_that_it_migrates_helps_a_lane_nothing(world: World, shop: Lane) -> None:
    shop.run("insert into shop_items values ('ann', 1, 'a')")
    lane = world.lane("shop", "bob")
    try:
        assert lane.run("set local app.migrating = 'on'; select * from shop_items") == "SELECT 0"
    finally:
        lane.close()


def test_a_generation_is_written_by_folds_and_read_by_its_module(world: World, shop: Lane, stock: Lane) -> None:
    ddl = PostgresDdl(world.database, KINDS)
    world.as_owner(ddl(renamed_ddl(HISTORY, {"shop_history": "shop_history__7"}), file="history.sql"))
    world.migrate()
    fold = world.lane("armature")
    ann = world.lane("shop", "ann")
    try:
        assert fold.run("insert into shop_history__7 values ('ann', 1), ('bob', 1)") == "INSERT 0 2"
        assert fold.run("update armature_head set last = last") == "UPDATE 1"
        assert ann.run("select * from shop_history__7") == "SELECT 1"
        for lane, sql in ((shop, "delete from shop_history__7"), (stock, "select * from shop_history__7")):
            with pytest.raises(DENIED):
                lane.run(sql)
    finally:
        fold.close()
        ann.close()


def test_a_second_migrate_changes_nothing_and_a_new_table_gets_its_walls(world: World, stock: Lane) -> None:
    with connected(world.server.url(world.database, world.owner)) as session:
        before = session.rows("select xmin::text, relname from pg_class where relname like 's%' order by 2")
        world.migrate()
        assert session.rows("select xmin::text, relname from pg_class where relname like 's%' order by 2") == before
        (world.modules[1][1] / "migrations" / "0002_more.sql").write_text(STOCK.replace("places", "shelves"))
        world.migrate()
    assert stock.run("insert into stock_shelves values ('ann', 1)") == "INSERT 0 1"
    with pytest.raises(DENIED):
        stock.run("insert into stock_shelves values ('cyd', 1)")


def test_a_database_that_was_copied_under_another_name_gets_lanes_and_policies_of_its_own(world: World) -> None:
    """The framework sees every tenant's keys by a policy for its lane; a copy came with one for the other database's lane."""
    copy = f"{world.database}_copy"
    world.server.sql(f'create database "{copy}" owner "{world.owner}" template "{world.database}"')
    world.database = copy
    world.migrator = PostgresMigrator(world.server.url(copy, world.owner), kinds=KINDS, login=world.login)
    world.migrate()
    lane = world.lane("armature")
    try:
        key = "insert into armature_keys values ('ann', 'a', 'b', 'c', false, 1, now())"
        assert lane.run(key) == "INSERT 0 1"
        assert lane.run("select * from armature_keys") == "SELECT 1"
    finally:
        lane.close()


def test_rights_that_somebody_gave_by_hand_are_taken_back(world: World, stock: Lane) -> None:
    role = lane_role(world.database, "stock")
    world.as_owner(f'grant select on shop_items to "{role}"; grant select on shop_items to public')
    assert stock.run("select * from shop_items") == "SELECT 0"
    world.migrate()
    with pytest.raises(DENIED):
        stock.run("select * from shop_items")


def test_two_installations_on_one_server_share_no_lane(world: World, postgres: LocalPostgres, tmp_path: Path) -> None:
    other = World(postgres, tmp_path / "other")
    other.migrate()
    assert lane_role(world.database, "shop") != lane_role(other.database, "shop")
    with connected(postgres.url(world.database, other.login)) as session, pytest.raises(DENIED):
        session.run(f'set role "{lane_role(world.database, "shop")}"')


def test_a_tenants_table_without_a_tenant_is_refused_with_its_cure(world: World) -> None:
    (world.modules[1][1] / "migrations" / "0002_more.sql").write_text(
        "create table stock_kinds (id bigint not null primary key);"
    )
    with pytest.raises(SchemaRefused, match="table stock_kinds has no column tenant_id; add .* or write `stock_kinds: global`"):
        world.migrate()


def test_who_may_not_create_roles_is_told_what_an_administrator_runs(postgres: LocalPostgres, tmp_path: Path) -> None:
    world = World(postgres, tmp_path)
    postgres.sql(f"alter role {world.owner} nocreaterole")
    with pytest.raises(SchemaRefused) as caught:
        world.migrate()
    (trouble,) = caught.value.troubles
    assert "may not create roles" in trouble.text
    sql = trouble.cure.removeprefix("let an administrator run: ").partition("; or migrate as")[0]
    postgres.sql(sql)
    world.migrate()


def test_a_login_that_does_not_exist_is_named(postgres: LocalPostgres, tmp_path: Path) -> None:
    world = World(postgres, tmp_path)
    world.migrator = PostgresMigrator(postgres.url(world.database, world.owner), kinds=KINDS, login="no_such_login")
    with pytest.raises(SchemaRefused, match='there is no role no_such_login.*create role "no_such_login" login'):
        world.migrate()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('drop owned by "{role}"; drop role "{role}"', "there is no lane for stock; call `armature migrate`"),
        ('alter role "{role}" superuser', "the lane of stock, is a superuser"),
        ('alter role "{role}" bypassrls', "bypasses row level security"),
        ('alter role "{role}" login', "may log in"),
        ('revoke "{role}" from {login}', 'may not take "{role}"; let an administrator run: grant "{role}" to "{login}"'),
    ],
)
async def test_lanes_that_are_no_walls_are_refused_at_open(world: World, change: str, said: str) -> None:
    connection = await asyncpg.connect(world.server.url(world.database, world.login))
    try:
        await refuse_unsafe_roles(connection, KINDS)
        names = {"role": lane_role(world.database, "stock"), "login": world.login}
        world.server.sql(change.format(**names), world.database)
        with pytest.raises(SchemaRefused) as caught:
            await refuse_unsafe_roles(connection, KINDS)
        assert said.format(**names) in str(caught.value)
    finally:
        await connection.close()
