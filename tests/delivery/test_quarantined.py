"""What delivery has set aside can be seen, tried again and given up from the command line, on either database."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from armature.adapters.memory.bus import MemoryBroker
from armature.adapters.postgres.database import PostgresDatabase
from armature.adapters.postgres.grants import lane_role
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.numbering import PostgresNumbering
from armature.adapters.postgres.settings import PostgresSettings
from armature.cli.main import main
from armature.cli.quarantined import show_quarantined, watch_drop, watch_try
from armature.cli.wishes import Wishes, wishes_of
from armature.engine.policies import DatabasePolicy, DeliveryPolicy
from armature.engine.sequencer import Sequencer
from armature.testing.servers import LocalPostgres
from tests.delivery.shop import Shop, migrated, on_sqlite

POISON = 666
_numbers = count(1)

Step = Callable[[], Awaitable[object]]
Opening = Callable[[Path], AbstractAsyncContextManager[tuple[Shop, Step]]]


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[tuple[Shop, Step]]:
    """A shop on a file, and nobody who has to number its log."""

    async def nothing() -> None:
        return

    async with on_sqlite(folder, attempts_max=1) as shop:
        yield shop, nothing


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def opening(request: pytest.FixtureRequest) -> Opening:
    if request.param == "sqlite":
        return sqlite
    server: LocalPostgres = request.getfixturevalue("postgres")

    @asynccontextmanager
    async def postgres(folder: Path) -> AsyncIterator[tuple[Shop, Step]]:
        name = f"quarantined_{next(_numbers)}"
        url = server.create_database(name)
        migrated(PostgresMigrator(url, kinds={"quota": {"quota_used": "tenant"}}), folder)
        settings = PostgresSettings(url=url, modules=("quota",))
        database, lanes = PostgresDatabase(settings, policy=DatabasePolicy(), turn_seconds=1.0), Lanes(settings, 1)
        await database.open()
        try:
            policy = DeliveryPolicy(retry_seconds=0.001, broker_check_seconds=0.001, attempts_max=1)
            sequencer = Sequencer(PostgresNumbering(lanes, lane_role(name, "armature")), policy)
            yield Shop(database, folder, MemoryBroker(), policy), sequencer.step
        finally:
            await lanes.close()
            await database.close()

    return postgres


@asynccontextmanager
async def relaying(shop: Shop) -> AsyncIterator[None]:
    """Let the relay alone work for as long as the block runs."""

    async def relay() -> None:
        while True:
            shop.relay._check_at = 0.0
            await shop.relay.step()

    task = asyncio.create_task(relay())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def working(shop: Shop, number: Step) -> AsyncIterator[None]:
    """Let the roles work for as long as the block runs."""

    async def work() -> None:
        while True:
            await number()
            await shop.relay.step()
            await shop.consumer.step()

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def poisoned(shop: Shop, number: Step) -> Wishes:
    """One stream with a poison and what waits behind it, and another one that goes on."""
    await shop.place("bad", POISON)
    await shop.place("bad", 10, version=2)
    await shop.place("good", 1)

    async def gone_on() -> bool:
        await number()
        return await shop.used() == 1

    await shop.until(gone_on, "the other stream")
    return wishes_of(shop.database)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def paper() -> Console:
    return Console(file=io.StringIO(), width=300)


async def test_what_is_set_aside_is_listed_and_a_retry_of_what_is_still_ill_says_so(opening: Opening, tmp_path: Path) -> None:
    async with opening(tmp_path) as (shop, number):
        assert await show_quarantined(wishes_of(shop.database), paper()) == 0
        wishes = await poisoned(shop, number)
        assert await show_quarantined(wishes, out := paper()) == 1
        words = ("quota.settle", "order/bad", "order.placed", "beyond me")
        assert all(word in shown(out) for word in words)
        # What is listed is what the next command is called with: nothing of it is cut off where there is little room.
        assert await show_quarantined(wishes, out := Console(file=io.StringIO(), width=60)) == 1
        assert all(word in shown(out) for word in words)
        async with working(shop, number):
            assert await watch_try(wishes, ("quota.settle", ""), out := paper(), 30) == 1
            assert "1 tried, 1 still parked" in shown(out)
            shop.reaction.healed = True
            assert await watch_try(wishes, ("quota.settle", "order/bad"), paper(), 30) == 0
        assert (await shop.used(), await show_quarantined(wishes, paper())) == (1 + POISON + 10, 0)


async def test_an_event_that_is_given_up_has_no_effect_and_what_waits_behind_it_has(opening: Opening, tmp_path: Path) -> None:
    async with opening(tmp_path) as (shop, number):
        wishes = await poisoned(shop, number)
        async with working(shop, number):
            assert await watch_drop(wishes, ("quota.settle", "order/bad"), out := paper(), 30) == 0
            assert "beyond me" in shown(out)
            assert await shop.used() == 1 + 10
            await shop.place("bad", 20, version=3)
            async with asyncio.timeout(30):
                while await shop.used() != 1 + 10 + 20:  # noqa: ASYNC110  (the database is asked)
                    await asyncio.sleep(0.01)
        assert await show_quarantined(wishes, paper()) == 0


async def test_an_event_that_has_moved_meanwhile_is_not_given_up(tmp_path: Path) -> None:
    async with sqlite(tmp_path) as (shop, number):
        wishes = await poisoned(shop, number)
        (aside,) = await wishes.aside.streams()
        assert await wishes.aside.drop(aside)
        assert not await wishes.aside.drop(aside)


async def test_what_the_broker_cannot_take_is_given_up_and_the_rest_of_its_stream_is_carried(tmp_path: Path) -> None:
    broker = MemoryBroker(message_bytes_max=600)
    async with on_sqlite(tmp_path, broker) as shop:
        await shop.place("big", 1, buyer="x" * 600)
        await shop.place("big", 2, version=2)
        while shop.relay.quarantined < 2:
            await shop.relay.step()
        wishes = wishes_of(shop.database)
        (aside,) = await wishes.aside.streams()
        assert (aside.by, aside.stream, aside.position) == ("relay:broker", "order/big", 1)

        async with relaying(shop):
            assert await watch_drop(wishes, ("relay:broker", "order/big"), paper(), 30) == 0
        assert [message.stream_version for message in broker.messages] == [2]


async def test_of_streams_that_are_called_the_same_the_one_of_a_tenant_is_given_up(tmp_path: Path) -> None:
    broker = MemoryBroker(message_bytes_max=600)
    async with on_sqlite(tmp_path, broker) as shop:
        for tenant in ("east", "west"):
            await shop.place("big", 1, buyer="x" * 600, tenant=tenant)
        while shop.relay.quarantined < 2:
            await shop.relay.step()
        wishes, what = wishes_of(shop.database), ("relay:broker", "order/big")
        assert await watch_drop(wishes, what, out := paper(), 0.0) == 2
        assert "several tenants: east, west; name one with --tenant" in shown(out)
        assert await watch_drop(wishes, what, out := paper(), 0.0, tenant="north") == 2
        assert "nothing of order/big waits for relay:broker and north" in shown(out)
        await watch_drop(wishes, what, out := paper(), 0.0, tenant="west")
        assert "dropped event 2 (order.placed)" in shown(out)
        assert [one.tenant_id for one in await wishes.aside.streams()] == ["east"]


async def test_what_was_asked_is_done_although_the_stream_of_another_tenant_still_waits(tmp_path: Path) -> None:
    broker = MemoryBroker(message_bytes_max=600)
    async with on_sqlite(tmp_path, broker) as shop:
        for tenant in ("east", "west"):
            await shop.place("big", 1, buyer="x" * 600, tenant=tenant)
        await shop.place("big", 2, version=2, tenant="west")
        while shop.relay.quarantined < 3:
            await shop.relay.step()
        wishes = wishes_of(shop.database)
        async with relaying(shop):
            assert await watch_drop(wishes, ("relay:broker", "order/big"), out := paper(), 30, tenant="west") == 0
        assert "1 streams still held" in shown(out)
        assert [one.tenant_id for one in await wishes.aside.streams()] == ["east"]
        assert [(message.tenant_id, message.stream_version) for message in broker.messages] == [("west", 2)]


async def test_a_stream_whose_only_event_was_given_up_is_held_no_longer(tmp_path: Path) -> None:
    broker = MemoryBroker(message_bytes_max=600)
    async with on_sqlite(tmp_path, broker) as shop:
        await shop.place("big", 1, buyer="x" * 600)
        while shop.relay.quarantined < 1:
            await shop.relay.step()
        wishes = wishes_of(shop.database)
        async with relaying(shop):
            assert await watch_drop(wishes, ("relay:broker", "order/big"), paper(), 30) == 0
        await shop.place("big", 2, version=2)
        while shop.relay.quarantined < 2 and not broker.messages:
            await shop.relay.step()
        assert [message.stream_version for message in broker.messages] == [2]


async def test_what_is_given_up_while_nobody_relays_is_done_where_nothing_waits_behind_it(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path, MemoryBroker(message_bytes_max=600)) as shop:
        await shop.place("big", 1, buyer="x" * 600)
        while shop.relay.quarantined < 1:
            await shop.relay.step()
        assert await watch_drop(wishes_of(shop.database), ("relay:broker", "order/big"), out := paper(), 0.0) == 0
        assert "nothing of order/big waits for relay:broker any more" in shown(out)


async def test_who_is_unknown_or_asleep_is_told_in_words(tmp_path: Path) -> None:
    async with sqlite(tmp_path) as (shop, number):
        wishes = await poisoned(shop, number)
        assert await watch_try(wishes, ("quota.setle", ""), out := paper(), 30) == 2
        assert "nobody is called 'quota.setle'; known are: relay:broker, quota.settle" in shown(out)
        assert await watch_try(wishes, ("quota.settle", "order/good"), out := paper(), 30) == 0
        assert "nothing is set aside by quota.settle under order/good" in shown(out)
        assert await watch_drop(wishes, ("quota.settle", "order/good"), out := paper(), 30) == 2
        assert "nothing of order/good waits" in shown(out)
        assert await watch_try(wishes, ("quota.settle", ""), out := paper(), 0.0) == 2
        assert "no process with the reactor role answered" in shown(out)


def called(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def test_a_folder_without_a_database_is_told(tmp_path: Path) -> None:
    for words in (["quarantined"], ["quarantined", "retry", "a.b"], ["parked"], ["replay", "counter.history"]):
        result = called(*words, "--data", str(tmp_path))
        assert (result.exit_code, "there is no database" in result.output) == (2, True)
    assert list(tmp_path.iterdir()) == [], "looking makes none"


def test_a_file_without_tables_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "armature.db").touch()
    for words in (["quarantined"], ["quarantined", "forget", "a.b"], ["parked"], ["replay", "counter.history"]):
        result = called(*words, "--data", str(tmp_path))
        assert (result.exit_code, f"the database {tmp_path}/armature.db is not migrated; start" in result.output) == (2, True)


@pytest.mark.slow
def test_the_commands_look_into_a_postgresql_as_well(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARMATURE_POSTGRES_URL", postgres_url)
    there = ("--topology", "single-postgres", "--data", str(tmp_path))
    for command in ("quarantined", "parked"):
        result = called(command, *there)
        assert (result.exit_code, "not migrated" in result.output) == (2, True)
    assert called("migrate", *there).exit_code == 0
    assert (called("quarantined", *there).output, called("parked", *there).output) == (
        "nothing is set aside\n",
        "no stream is parked\n",
    )
    result = called("quarantined", "retry", "a.b", *there)
    assert (result.exit_code, "none has run here yet" in result.output) == (2, True)
    assert "none was built here yet" in called("replay", "counter.none", *there).output
    # Nobody runs: the command builds the read model itself.
    result = called("replay", "counter.history", "--patience", "0", *there)
    assert result.exit_code == 2
