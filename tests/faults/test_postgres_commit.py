"""Commits on PostgreSQL when rows are held by others, connections die at every message, and one unit of a batch is bad.

Every verdict is compared with what is in the log: what was acknowledged is there once, what was refused is not there.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from uuid import UUID, uuid4

import asyncpg
import pytest

from armature.adapters.postgres.database import PostgresDatabase
from armature.adapters.postgres.settings import PostgresSettings
from armature.conformance.database_accounts import BY_ID, STATEMENTS, TABLES, TENANT
from armature.conformance.database_world import Waiter, World, event, key, run
from armature.engine.policies import DatabasePolicy
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.kernel.statement import change
from armature.ports.database import Bound, Committed, Conflict, Read, Unit, Violated

from .postgres_cutter import Cutter

pytestmark = pytest.mark.slow

SCHEMA = files("armature.engine") / "schema"
COMMITTING = tuple(f"{name}.postgres.sql" for name in ("0001_foundation", "0003_commit", "0004_commit", "0005_fresh"))
FOUNDATION = "".join((SCHEMA / name).read_text() for name in COMMITTING)
ACCOUNTS = 100
EACH = 1_000
DIVIDE = change(
    "update law_accounts set value = 1 / :by where tenant_id = :tenant_id and id = :id", row=("id",)
)  # by zero: a bug that only the server finds


@dataclass
class Told:
    """What the callers were told, by the event of their unit."""

    committed: set[UUID] = field(default_factory=set)
    refused: set[UUID] = field(default_factory=set)
    unknown: set[UUID] = field(default_factory=set)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, identity: UUID, outcome: object) -> None:
        """Keep one outcome."""
        self.moved.set()
        if isinstance(outcome, Committed):
            self.committed.add(identity)
        elif isinstance(outcome, UnknownOutcome):
            self.unknown.add(identity)
        else:
            self.refused.add(identity)


@asynccontextmanager
async def opened(url: str, *, fresh: bool = False, size: int = 4, units: int = 256) -> AsyncIterator[World]:
    settings = PostgresSettings(url=url, roles=False, row_security=False, write_size=size, read_size=2)
    database = PostgresDatabase(settings, policy=DatabasePolicy(batch_units_max=units), turn_seconds=1.0)
    await database.open()
    try:
        if fresh:
            await database.script(FOUNDATION + TABLES)
        database.bind((*STATEMENTS, DIVIDE))
        yield World(database)
    finally:
        await database.close()


async def filled(url: str, accounts: int = ACCOUNTS) -> None:
    async with opened(url, fresh=True) as world:
        await asyncio.gather(*(world.account(f"a{n}", EACH) for n in range(accounts)))


async def compare(url: str, told: Told) -> None:
    """Every acknowledged unit is there once, no refused one is, and an unknown one at most once."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("select event_id, count(*) from armature_outbox group by event_id")
    await connection.close()
    found = {row[0]: row[1] for row in rows}
    assert set(found.values()) <= {1}
    missing, surplus = told.committed - found.keys(), found.keys() - told.committed - told.unknown
    assert not missing, f"{len(missing)} acknowledged units are not there"
    assert not surplus, f"{len(surplus)} refused units are there"


def move(world: World, source: tuple[str, int, int], target: tuple[str, int, int]) -> tuple[Bound, ...]:
    """One unit of money from an account (name, value, version) to another."""
    return (
        world.saved(source[0], source[1] - 1, source[2]),
        world.saved(target[0], target[1] + 1, target[2]),
    )


async def transfer(world: World, names: tuple[str, str], told: Told) -> object:
    """Move one; a command that lost runs again in its turn, as the pipeline does."""
    identity = uuid4()
    unkept = key(identity.bytes)

    async def decide(read: Read) -> Unit:
        (a,), (b,) = await read([(BY_ID, (TENANT, name)) for name in names])
        writes = move(world, (a.id, a.value, a.version), (b.id, b.value, b.version))
        return Unit("laws", Waiter(), writes, events=(event(identity),), key=unkept)

    outcome: object
    try:
        outcome = await world.database.commit(await decide(world.database.read))
        if isinstance(outcome, Conflict):
            rows = [("law_accounts", (TENANT, name)) for name in names]
            outcome = await world.database.turn(rows, decide, Waiter())
    except (Unavailable, UnknownOutcome) as refusal:
        outcome = refusal
    told.note(identity, outcome)
    return outcome


async def total(url: str) -> tuple[int, int]:
    connection = await asyncpg.connect(url)
    row = await connection.fetchrow("select sum(value), sum(version) from law_accounts")
    await connection.close()
    return int(row[0]), int(row[1])


def test_four_committers_on_a_hundred_rows_beside_one_who_holds_locks(postgres_url: str) -> None:
    async def hold(stop: asyncio.Event, held: list[int]) -> None:
        """Lock some rows for 50 ms at a time, as a long transaction of somebody else would."""
        dice = random.Random(7)
        connection = await asyncpg.connect(postgres_url)
        while not stop.is_set():
            async with connection.transaction():
                some = [f"a{dice.randrange(ACCOUNTS)}" for _ in range(3)]
                await connection.fetch("select 1 from law_accounts where id = any($1) order by id for update", some)
                held[0] += 1
                await asyncio.sleep(0.05)
        await connection.close()

    async def story() -> None:
        await filled(postgres_url)
        told, stop, held = Told(), asyncio.Event(), [0]
        async with opened(postgres_url) as a, opened(postgres_url) as b, opened(postgres_url) as c, opened(postgres_url) as d:

            async def client(world: World, seed: int) -> None:
                dice = random.Random(seed)
                for _ in range(12):
                    one, two = dice.sample(range(ACCOUNTS), 2)
                    await transfer(world, (f"a{one}", f"a{two}"), told)

            holder = asyncio.create_task(hold(stop, held))
            await asyncio.gather(*(client(world, 10 * n + m) for n, world in enumerate((a, b, c, d)) for m in range(8)))
            stop.set()
            await holder
        assert held[0] > 3, "nobody held anything: the test proves nothing"
        assert not told.unknown
        assert len(told.committed) > 300
        await compare(postgres_url, told)
        money, versions = await total(postgres_url)
        assert money == ACCOUNTS * EACH
        assert versions == ACCOUNTS + 2 * len(told.committed)
        connection = await asyncpg.connect(postgres_url)
        deadlocks = await connection.fetchval("select deadlocks from pg_stat_database where datname = current_database()")
        await connection.close()
        assert deadlocks == 0

    run(story())


def test_nobody_waits_for_a_row_that_somebody_else_holds(postgres_url: str) -> None:
    async def story() -> None:
        await filled(postgres_url, 8)
        holder = await asyncpg.connect(postgres_url)
        async with opened(postgres_url) as world, holder.transaction():
            await holder.fetch("select 1 from law_accounts where id = 'a3' for update")
            # The holder lets go only after all of them are answered: whoever waited for it would wait for ever.
            verdicts = await asyncio.gather(*(world.commit(world.saved(f"a{n}", 7, expected=1)) for n in range(8)))
            assert [type(verdict) for verdict in verdicts] == [Conflict if n == 3 else Committed for n in range(8)]
            assert world.database.batches == 1, "the first look was wrong, and trying again made up for it"  # type: ignore[attr-defined]
            guarded = await world.commit(world.opened("new"), guards=[(BY_ID, (TENANT, "a3"))])
            assert isinstance(guarded, Conflict)
        await holder.close()

    run(story())


def test_of_two_units_of_a_batch_one_cannot_write_what_the_other_guards(postgres_url: str) -> None:
    async def story() -> None:
        await filled(postgres_url, 2)
        async with opened(postgres_url) as world:
            one, two = await asyncio.gather(
                world.commit(world.saved("a0", 1, expected=1), guards=[(BY_ID, (TENANT, "a1"))]),
                world.commit(world.saved("a1", 1, expected=1), guards=[(BY_ID, (TENANT, "a0"))]),
            )
            assert (type(one), type(two)) == (Committed, Conflict)
            assert world.database.batches == 1  # type: ignore[attr-defined]

    run(story())


CUTS = [*range(6), "unsent", "half", "unanswered"]


Act = Callable[[World, Told], Awaitable[None]]


async def cut_story(url: str, cut: int | str, act: Act, *, shut: bool = False) -> Told:
    told = Told()
    with Cutter(url) as wire:
        await on_wire(wire, cut, act, told, shut=shut)
    return told


async def on_wire(wire: Cutter, cut: int | str, act: Act, told: Told, *, shut: bool) -> None:
    async with opened(wire.url) as world:
        await transfer(world, ("a0", "a1"), told)  # connections are made, statements prepared
        wire.shut = shut
        if isinstance(cut, int):
            wire.at = cut
        else:
            wire.commit = cut
        await act(world, told)
        assert wire.cuts == 1, "nothing was cut: the test proves nothing"


@pytest.mark.parametrize("cut", CUTS)
def test_a_connection_that_dies_at_any_message_of_a_batch_costs_nothing_and_doubles_nothing(
    postgres_url: str, cut: int | str
) -> None:
    async def batch(world: World, told: Told) -> None:
        pairs = [(f"a{2 * n}", f"a{2 * n + 1}") for n in range(10)]
        outcomes = await asyncio.gather(*(transfer(world, pair, told) for pair in pairs))
        assert all(isinstance(outcome, Committed) for outcome in outcomes), outcomes

    async def story() -> None:
        await filled(postgres_url, 20)
        told = await cut_story(postgres_url, cut, batch)
        await compare(postgres_url, told)
        assert await total(postgres_url) == (20 * EACH, 20 + 2 * len(told.committed))

    run(story())


@pytest.mark.parametrize("cut", ["unsent", "half", "unanswered", 1, 3])
def test_a_connection_that_dies_in_a_turn_leaves_true_answers(postgres_url: str, cut: int | str) -> None:
    async def turns(world: World, told: Told) -> None:
        async def one() -> None:
            identity = uuid4()

            async def decide(read: Read) -> Unit:
                ((a,),) = await read(((BY_ID, (TENANT, "a0")),))
                return Unit("laws", Waiter(), (world.saved("a0", a.value, a.version),), events=(event(identity),))

            try:
                told.note(identity, await world.database.turn((("law_accounts", (TENANT, "a0")),), decide, Waiter()))
            except Unavailable as refusal:
                told.note(identity, refusal)

        await asyncio.gather(*(one() for _ in range(5)))
        await one()

    async def story() -> None:
        await filled(postgres_url, 2)
        told = await cut_story(postgres_url, cut, turns)
        assert told.committed and not told.unknown
        await compare(postgres_url, told)

    run(story())


def test_all_connections_ended_by_the_administrator_again_and_again(postgres_url: str) -> None:
    async def story() -> None:
        await filled(postgres_url, 20)
        told, over = Told(), asyncio.Event()
        admin = await asyncpg.connect(postgres_url)

        async def end_all() -> None:
            """End all writing connections in whatever they do, each time after a few more commits."""
            for kills in range(1, 11):
                while len(told.committed) < 6 * kills and not over.is_set():
                    told.moved.clear()
                    await told.moved.wait()
                await admin.fetch(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() "
                    "and pid <> pg_backend_pid() and xact_start is not null"
                )

        async with opened(postgres_url) as world:
            killer = asyncio.create_task(end_all())
            dice = random.Random(3)

            async def client() -> None:
                for _ in range(15):
                    one, two = dice.sample(range(20), 2)
                    await transfer(world, (f"a{one}", f"a{two}"), told)

            await asyncio.gather(*(client() for _ in range(8)))
            over.set()
            told.moved.set()
            await killer
        await admin.close()
        assert told.committed and not told.unknown
        await compare(postgres_url, told)
        assert await total(postgres_url) == (20 * EACH, 20 + 2 * len(told.committed))

    run(story())


def test_a_bad_unit_of_any_kind_harms_nobody_in_its_batch(postgres_url: str) -> None:
    async def story() -> None:
        await filled(postgres_url, 64)
        told = Told()
        async with opened(postgres_url) as world:
            bad: dict[int, tuple[Bound, ...]] = {
                5: (world.saved("a5", 1, expected=9),),
                11: (world.opened("b11", called="a1"),),
                17: (world.opened("b17"), world.opened("a3", called="b17x")),
                23: ((DIVIDE, tuple({"by": 0, "tenant_id": TENANT, "id": "a23"}[name] for name in DIVIDE.params)),),
                31: (world.saved("a31", 1 << 40, expected=1),),  # too large for its column
                37: (world.opened("b\x0037"),),
            }

            async def one(n: int) -> object:
                identity = uuid4()
                writes = bad.get(n) or (world.saved(f"a{n}", n, expected=1),)
                try:
                    outcome: object = await world.commit(*writes, events=[event(identity)], key=key(identity.bytes))
                except Exception as error:
                    outcome = error
                told.note(identity, outcome)
                return outcome

            outcomes = await asyncio.gather(*(one(n) for n in range(64)))
        kinds = {5: Conflict, 11: Violated, 17: Violated, 23: ValueError, 31: ValueError, 37: ValueError}
        for n, outcome in enumerate(outcomes):
            assert isinstance(outcome, kinds.get(n, Committed)), (n, outcome)
        assert outcomes[11].constraint == "law_accounts_name" and outcomes[17].constraint == "law_accounts_pkey"  # type: ignore[attr-defined]
        await compare(postgres_url, told)

    run(story())
