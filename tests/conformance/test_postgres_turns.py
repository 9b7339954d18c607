"""Turns that follow each other in one transaction on PostgreSQL: what each costs, and that nobody pays for a neighbour."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from armature.conformance.database_accounts import AMONG, BY_ID, CLEAR_TWO, TENANT, Account
from armature.conformance.database_world import LANE, Waiter, World, event, key
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import change, select
from armature.ports.database import Bound, Committed, Conflict, Expired, KeyRow, Read, Twin, Unit, Verdict, Violated
from armature.testing.servers import LocalPostgres
from tests.conformance.test_postgres_database import TestPostgresDatabase as Walls
from tests.conformance.test_postgres_database import TestPostgresDatabaseWithoutWalls as NoWalls

pytestmark = pytest.mark.slow

HOT = (("law_accounts", (TENANT, "hot")),)
RENAME = change(
    "update law_accounts set name = :name, version = version + 1 where tenant_id = :tenant_id and id = :id", row=("id",)
)
DIVIDED = select(int, "select value / (value - value) as n from law_accounts where tenant_id = :tenant_id and id = :id")
SLOWLY = select(str, "select pg_sleep(30)::text as slept from law_accounts where tenant_id = :tenant_id and id = :id")

Writes = Callable[[World, Account], Sequence[Bound]]
Ends = Callable[[World, "Turning"], Awaitable[object]]


@asynccontextmanager
async def worlds(server: LocalPostgres, folder: Path, *, walls: bool = False, nodes: int = 1) -> AsyncIterator[list[World]]:
    """One database, spoken to by several nodes; it logs every statement."""
    made = Walls() if walls else NoWalls()
    made.server, made.names = server, {}
    made.make(folder)
    server.sql(f"alter database {made.names[folder]} set log_statement = 'all'")
    async with made.world(folder) as first:
        others = [made.make(folder) for _ in range(nodes - 1)]
        for database in others:
            await database.open()
            database.bind((BY_ID, first.saved("hot", 0, 0)[0]))
        first.database.bind((RENAME, DIVIDED, SLOWLY))
        await first.account("hot")
        await first.account("other")
        await first.step("hot")  # connections are made, statements prepared
        try:
            yield [first, *map(World, others)]
        finally:
            for database in others:
                await database.close()


class Turning:
    """A turn on the hot account that counts how often it decided."""

    def __init__(self, world: World, writes: Writes | None = None, *, owner: Waiter | None = None, kept: KeyRow | None = None):
        self.world = world
        self.writes = writes or stepped
        self.kept = kept
        self.owner = owner or Waiter()
        self.event = event()
        self.seen: list[int] = []

    async def decide(self, read: Read) -> Unit:
        ((before,),) = await read(((BY_ID, (TENANT, "hot")),))
        self.seen.append(before.value)
        return Unit(LANE, self.owner, self.writes(self.world, before), events=(self.event,), key=self.kept)

    async def __call__(self) -> Verdict:
        return await self.world.database.turn(HOT, self.decide, self.owner)


def stepped(world: World, before: Account) -> Sequence[Bound]:
    return (world.saved("hot", before.value + 1, before.version),)


def log_of(server: LocalPostgres, since: int) -> list[str]:
    return [
        line.partition("LOG:")[2].strip()
        for line in server.log[since:].splitlines()
        if "LOG:  statement:" in line or "LOG:  execute " in line
    ]


async def among(turn: Turning, read: Read) -> Unit:
    """Decide on the same row, asked for in another way."""
    ((before,),) = await read(((AMONG, (TENANT, ["hot"])),))
    turn.seen.append(before.value)
    return Unit(LANE, turn.owner, turn.writes(turn.world, before), events=(turn.event,))


async def cost(server: LocalPostgres, chain: Callable[[int], Awaitable[Any]]) -> tuple[int, list[str]]:
    """Return how many statements ten turns more cost, and all of the shorter chain."""
    counted = []
    for turns in (4, 14):
        since = len(server.log)
        await chain(turns)
        counted.append(log_of(server, since))
    return len(counted[1]) - len(counted[0]), counted[0]


@pytest.mark.parametrize("walls", [True, False])
async def test_turns_that_begin_with_the_row_they_change_cost_a_round_trip_each(
    tmp_path: Path, postgres: LocalPostgres, walls: bool
) -> None:
    async with worlds(postgres, tmp_path, walls=walls) as (world,):
        more, log = await cost(postgres, lambda turns: asyncio.gather(*(Turning(world)() for _ in range(turns))))
        assert more == 10, "\n".join(log)
        assert len(log) <= 4 + 5, "\n".join(log)  # begin, walls, lock, one read, commit
        assert await world.find("hot") == Account("hot", 19, 20)


async def test_turns_that_ask_anything_else_cost_two_round_trips_each(tmp_path: Path, postgres: LocalPostgres) -> None:
    async with worlds(postgres, tmp_path) as (world,):

        async def one() -> Verdict:
            turn = Turning(world)
            return await world.database.turn(HOT, lambda read: among(turn, read), turn.owner)

        more, log = await cost(postgres, lambda turns: asyncio.gather(*(one() for _ in range(turns))))
        assert more == 2 * 10, "\n".join(log)
        assert await world.find("hot") == Account("hot", 19, 20)


async def test_turns_of_every_kind_see_what_the_one_before_them_wrote(tmp_path: Path, postgres: LocalPostgres) -> None:
    async with worlds(postgres, tmp_path) as (world,):
        turns = [Turning(world) for _ in range(6)]
        turns[3].writes = lambda world, before: (*stepped(world, before), world.opened("new"))
        asked = world.database.turn(HOT, lambda read: among(turns[1], read), turns[1].owner)
        waits = [asked if n == 1 else turn() for n, turn in enumerate(turns)]
        assert all(isinstance(verdict, Committed) for verdict in await asyncio.gather(*waits))
        assert [turn.seen for turn in turns] == [[1], [2], [3], [4], [5], [6]]


# Somebody in the middle of a chain


async def violates(world: World, turn: Turning) -> object:
    turn.writes = lambda world, before: ((RENAME, bound(RENAME, name="other")),)
    return await turn()


async def violates_behind_a_write(world: World, turn: Turning) -> object:
    turn.writes = lambda world, before: (*stepped(world, before), world.opened("new", called="other"))
    return await turn()


async def loses(world: World, turn: Turning) -> object:
    turn.writes = lambda world, before: (world.saved("hot", 99, before.version - 1),)
    return await turn()


async def loses_behind_a_write(world: World, turn: Turning) -> object:
    turn.writes = lambda world, before: (*stepped(world, before), world.saved("hot", 99, before.version))
    return await turn()


async def finds_too_few(world: World, turn: Turning) -> object:
    turn.writes = lambda world, before: (*stepped(world, before), (CLEAR_TWO, ("nobody",)))
    return await turn()


async def is_a_twin(world: World, turn: Turning) -> object:
    await world.commit(key=key(b"kept"))
    turn.kept = key(b"kept")
    return await turn()


async def is_a_twin_that_loses(world: World, turn: Turning) -> object:
    await world.commit(key=key(b"kept"))
    turn.kept = key(b"kept")
    return await loses(world, turn)


async def is_a_twin_of_a_neighbour(world: World, turn: Turning) -> object:
    turn.kept = key(b"neighbour")
    return await turn()


async def refuses(world: World, turn: Turning) -> object:
    def refuse(world: World, before: Account) -> Sequence[Bound]:
        raise LookupError("mine")

    turn.writes = refuse
    return await raised(turn())


async def has_no_place(world: World, turn: Turning) -> object:
    turn.writes = lambda world, before: (world.saved("hot", "much", before.version),)  # type: ignore[arg-type]
    return await raised(turn())


async def is_cancelled(world: World, turn: Turning) -> object:
    task: asyncio.Task[Verdict]

    def cancel(world: World, before: Account) -> Sequence[Bound]:
        task.cancel()
        return stepped(world, before)

    turn.writes = cancel
    task = asyncio.ensure_future(turn())  # type: ignore[arg-type]
    return await raised(task)


async def reads_what_fails(world: World, turn: Turning) -> object:
    return await raised(reading(world, turn, DIVIDED))


async def reads_for_too_long(world: World, turn: Turning) -> object:
    return await raised(reading(world, turn, SLOWLY))


async def reading(world: World, turn: Turning, statement: Any) -> Verdict:
    async def decide(read: Read) -> Unit:
        unit = await turn.decide(read)
        await read(((statement, (TENANT, "hot")),))
        return unit

    return await world.database.turn(HOT, decide, turn.owner)


async def raised(waited: Awaitable[object]) -> object:
    try:
        return await waited
    except (Exception, asyncio.CancelledError) as error:
        return error


def bound(statement: Any, **values: object) -> tuple[object, ...]:
    values = {"tenant_id": TENANT, "id": "hot", **values}
    return tuple(values[name] for name in statement.params)


# What it hears, and how often its neighbours decide at most.
ENDS: list[tuple[Ends, type[BaseException] | type[Verdict], int]] = [
    (violates, Violated, 2),
    (violates_behind_a_write, Violated, 2),
    (loses, Conflict, 1),
    (loses_behind_a_write, Conflict, 2),
    (finds_too_few, Conflict, 2),
    (is_a_twin, Twin, 1),
    (is_a_twin_that_loses, Twin, 1),
    (is_a_twin_of_a_neighbour, Twin, 1),
    (refuses, LookupError, 1),
    (has_no_place, TypeError, 1),
    (is_cancelled, asyncio.CancelledError, 1),
    (reads_what_fails, ValueError, 2),
    (reads_for_too_long, Unavailable, 2),
]  # fmt: skip


@pytest.mark.parametrize("walls", [True, False])
@pytest.mark.parametrize(("ends", "hears", "decisions"), ENDS, ids=[ends.__name__ for ends, _, _ in ENDS])
async def test_who_fails_in_the_middle_hears_why_and_the_others_are_committed_once(
    tmp_path: Path, postgres: LocalPostgres, walls: bool, ends: Ends, hears: type, decisions: int
) -> None:
    async with worlds(postgres, tmp_path, walls=walls) as (world,):
        before = await world.events()
        others = [Turning(world, kept=key(b"neighbour") if n == 0 else None) for n in range(6)]
        bad = Turning(world)
        tasks = [asyncio.create_task(turn()) for turn in others[:3]]  # type: ignore[arg-type]
        if ends in (is_a_twin, is_a_twin_that_loses):
            await asyncio.gather(*tasks)  # the key is written first, so the chain begins with the bad one
        failing = asyncio.create_task(ends(world, bad))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(turn()) for turn in others[3:]]  # type: ignore[arg-type]
        heard = await failing
        assert isinstance(heard, hears), heard
        if ends is reads_for_too_long:
            assert len(bad.seen) == 1, "it held the rows a second time"
        verdicts = await asyncio.gather(*tasks)
        assert all(isinstance(verdict, Committed) for verdict in verdicts), verdicts
        # Each one once, on what the one before it wrote, and each is told its own event.
        assert await world.find("hot") == Account("hot", 7, 8)
        told = [verdict.last_id for verdict in verdicts if isinstance(verdict, Committed)]
        assert [id for id in await world.events() if id not in before] == told
        assert [turn.seen[-1] for turn in others] == [1, 2, 3, 4, 5, 6]
        assert max(len(turn.seen) for turn in others) == decisions, [turn.seen for turn in others]


async def test_nobody_is_refused_for_what_was_undone(tmp_path: Path, postgres: LocalPostgres) -> None:
    async with worlds(postgres, tmp_path) as (world,):

        def once(world: World, before: Account) -> Sequence[Bound]:
            if len(first.seen) > 1:
                raise LookupError("the second time it wants nothing")
            return stepped(world, before)

        def only_at_one(world: World, before: Account) -> Sequence[Bound]:
            if before.value != 1:
                raise LookupError("others were first")
            return stepped(world, before)

        first, second, third = Turning(world, once), Turning(world, only_at_one), Turning(world)
        heard = await asyncio.gather(*(raised(waited) for waited in (first(), second(), violates(world, third))))
        assert [type(one) for one in heard] == [LookupError, Committed, Violated]
        assert second.seen == [2, 1], "it was refused for what nobody will ever see"


async def test_who_loses_patience_before_it_decides_again_is_told_that_nothing_was_done(
    tmp_path: Path, postgres: LocalPostgres
) -> None:
    async with worlds(postgres, tmp_path) as (world,):
        owner, held = Waiter(), list[bool]()
        first, last = Turning(world, owner=owner), Turning(world)

        def leave(world: World, before: Account) -> Sequence[Bound]:
            held.append(owner.in_hand)
            owner.gone = True
            return ((RENAME, bound(RENAME, name="other")),)

        bad = Turning(world, leave)
        heard = await asyncio.gather(first(), bad(), last())
        assert [type(verdict) for verdict in heard] == [Expired, Violated, Committed]
        assert held == [True, False], "its caller may leave as soon as nothing is done"
        assert await world.find("hot") == Account("hot", 2, 3)


async def test_a_chain_that_was_undone_is_wary_for_a_while_and_then_hopes_again(tmp_path: Path, postgres: LocalPostgres) -> None:
    async with worlds(postgres, tmp_path) as (world,):
        savepoints = []
        for chain in range(12):
            since = len(postgres.log)
            waits = [Turning(world)() for _ in range(3)]
            await asyncio.gather(*waits, *([violates(world, Turning(world))] if chain in (1, 2) else []))
            savepoints.append(sum("savepoint turn" in line for line in log_of(postgres, since)))
        assert savepoints == [0, 3, 3] + [2] * 6 + [0] * 3


async def test_a_row_that_a_trigger_keeps_as_it_was_tells_nothing(tmp_path: Path, postgres: LocalPostgres) -> None:
    async with worlds(postgres, tmp_path) as (world,):
        await world.database.script(
            "create function keep() returns trigger language plpgsql as $$ begin return null; end $$; "
            "create trigger keep before update on law_accounts for each row when (new.value = 99) execute function keep()"
        )
        before = await world.events()
        bad = Turning(world, lambda world, before: (world.saved("hot", 99, before.version),))
        heard = await asyncio.gather(Turning(world)(), bad(), Turning(world)())
        assert [type(verdict) for verdict in heard] == [Committed, Conflict, Committed]
        assert await world.find("hot") == Account("hot", 3, 4)
        assert len(await world.events()) == len(before) + 2


async def test_two_nodes_on_one_row_follow_each_other_whoever_fails(tmp_path: Path, postgres: LocalPostgres) -> None:
    async with worlds(postgres, tmp_path, nodes=2) as (one, two):
        before = await one.events()

        async def caller(world: World, n: int) -> list[Verdict]:
            return [await (loses(world, Turning(world)) if n == round_ else Turning(world)()) for round_ in range(6)]  # type: ignore[misc]

        heard = [
            verdict
            for verdicts in await asyncio.gather(*(caller((one, two)[n % 2], n) for n in range(12)))
            for verdict in verdicts
        ]
        committed = [verdict for verdict in heard if isinstance(verdict, Committed)]
        assert [type(verdict) for verdict in heard if not isinstance(verdict, Committed)] == [Conflict] * 6
        assert await two.find("hot") == Account("hot", 1 + len(committed), 2 + len(committed))
        assert sorted(verdict.last_id or 0 for verdict in committed) == [id for id in await one.events() if id not in before]


@pytest.mark.parametrize("place", ["turn.decided:21", "commit.written:3", "commit.committed:3", "commit.answered:3"])
async def test_a_process_killed_in_a_chain_leaves_all_of_it_or_nothing(
    tmp_path: Path, postgres: LocalPostgres, place: str
) -> None:
    async with worlds(postgres, tmp_path) as (world,):
        settings: Any = world.database
        command = [sys.executable, "-m", "tests.conformance.hot_node", settings._settings.url]
        before = await world.events()
        node = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, env={**os.environ, "ARMATURE_CRASH": place}
        )
        said, _ = await node.communicate()
        assert node.returncode == -signal.SIGKILL
        assert isinstance(await Turning(world)(), Committed), "what it held is free again"
        after = [id for id in await world.events() if id not in before]
        assert await world.find("hot") == Account("hot", 1 + len(after), 2 + len(after))
        told = {int(line) for line in said.split()}
        assert told <= set(after), "an acknowledged turn is not there"
        assert len(after) - len(told) <= 8 + 1 and told
