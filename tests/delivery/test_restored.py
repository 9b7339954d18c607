"""A log that went back to an older state, and a broker that did not: it is told once, and nothing is lost, doubled or undone."""

import logging
from contextlib import closing
from pathlib import Path
from time import time_ns

import apsw
import pytest

from armature.adapters.memory.bus import MemoryBroker
from armature.adapters.sqlite.backup import restore_file, save_file, turn_file
from armature.engine.backup import Manifest
from armature.engine.epochs import next_epoch
from armature.ports.migrator import SchemaRefused
from tests.delivery.shop import Shop, on_sqlite

ROUNDS = 20


def restored(folder: Path) -> tuple[Path, int]:
    """Save a shop's file and bring it to life in another place, in an epoch of its own; return both."""
    there = folder / "again"
    return there, again(folder, saved(folder), there)


def saved(folder: Path) -> Manifest:
    (folder / "saved").mkdir()
    return save_file(folder / "shop.db", folder / "saved", folder / "archive", "1")


def again(folder: Path, manifest: Manifest, there: Path) -> int:
    return restore_file(folder / "saved", there / "shop.db", manifest)


async def counted(shop: Shop, amount: int) -> None:
    """Step until the quota knows of so much."""

    async def reached() -> bool:
        return await shop.used() == amount

    await shop.until(reached, f"used is {amount}")


def snapshot(file: Path, there: Path) -> None:
    there.parent.mkdir()
    with closing(apsw.Connection(str(file))) as db:
        db.execute("vacuum into ?", (str(there),))


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "armature.relay"]


async def test_a_relay_tells_once_that_its_log_was_restored_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    broker = MemoryBroker()
    async with on_sqlite(tmp_path, broker) as shop:
        for number in range(3):
            await shop.place(f"kept-{number}", 1)
        await counted(shop, 3)
        there, epoch = restored(tmp_path)
        # What nobody will know of: it is at the broker, and not in the log that is restored.
        await shop.place("lost", 100)
        await counted(shop, 103)
    assert said(caplog) == []

    async with on_sqlite(there, broker) as shop:
        for number in range(ROUNDS):
            await shop.place(f"new-{number}", 1)
            await counted(shop, 4 + number)
        assert shop.relay.regressions == 0
        (head, last) = (shop.relay.position, broker.messages[-1])
        assert head is not None and (last.epoch, last.position) == (epoch, head)
    (told,) = said(caplog)
    assert f"the log was restored or promoted to epoch {epoch} " in told and "of epoch 1:" in told, told


async def test_two_restores_of_one_backup_beside_one_broker_are_told_apart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    broker = MemoryBroker()
    async with on_sqlite(tmp_path, broker) as shop:
        for number in range(3):
            await shop.place(f"kept-{number}", 1)
        await counted(shop, 3)
        manifest = saved(tmp_path)
    # The one of the greater epoch serves first: two clocks need not agree on the order.
    made = [(again(tmp_path, manifest, tmp_path / name), name) for name in ("one", "other")]
    (second, then), (first, name) = sorted(made)
    assert 1 < second < first < 2**53
    async with on_sqlite(tmp_path / name, broker) as shop:
        for number in range(3):
            await shop.place(f"lost-{number}", 100)
        while shop.relay.position != 6 + 3:
            await shop.relay.step()
    async with on_sqlite(tmp_path / then, broker) as shop:
        for number in range(ROUNDS):
            await shop.place(f"new-{number}", 1)
            await counted(shop, 4 + number)
        assert shop.relay.regressions == 0
    warned = [one for one in said(caplog) if "restored" in one]
    assert len(warned) == 2 and f"to epoch {second} " in warned[1] and f"of epoch {first}:" in warned[1], warned


async def test_an_epoch_is_of_its_own_also_under_a_clock_that_stands_behind() -> None:
    ahead = time_ns()
    made = [next_epoch(ahead) for _ in range(2)]
    assert min(made) > ahead and made[0] != made[1]
    assert next_epoch(1) >= time_ns() // 1_000 - 1_000_000


async def test_a_file_that_was_brought_back_goes_on_in_an_epoch_of_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As a snapshot of the disk does it: the file is a copy, and whoever followed it is in it."""
    caplog.set_level(logging.INFO)
    broker = MemoryBroker()
    async with on_sqlite(tmp_path, broker) as shop:
        for number in range(3):
            await shop.place(f"kept-{number}", 1)
        await counted(shop, 3)
        with pytest.raises(SchemaRefused, match="it is being served: .*relay:broker"):
            turn_file(tmp_path / "shop.db")
        await shop.relay.close()
        await shop.consumer.close()
        snapshot(tmp_path / "shop.db", tmp_path / "back" / "shop.db")
        await shop.place("lost", 100)
        await counted(shop, 103)
    turned = turn_file(tmp_path / "back" / "shop.db")
    assert turned.head == 6
    async with on_sqlite(tmp_path / "back", broker) as shop:
        await shop.place("new", 1)
        await counted(shop, 4)
        assert (shop.relay.halted, shop.consumer.halted, shop.relay.regressions) == ("", "", 0)
    (told,) = said(caplog)
    assert f"to epoch {turned.epoch} and ends at position 7" in told and "of epoch 1:" in told, told


async def test_what_a_restored_log_publishes_once_more_is_never_taken_for_a_loss(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With nobody registered everything is published once more, and the broker remembers all of it."""
    broker = MemoryBroker()
    async with on_sqlite(tmp_path, broker) as shop:
        for number in range(3):
            await shop.place(f"kept-{number}", 1)
        while shop.relay.position != 3:
            await shop.relay.step()
        there, epoch = restored(tmp_path)
    async with on_sqlite(there, broker) as shop:
        await shop.place("new", 1)
        while shop.relay.position != 4:
            await shop.relay.step()
        for _ in range(ROUNDS):
            await shop.relay.step()
        assert shop.relay.regressions == 0
    assert [(one.epoch, one.position) for one in broker.messages][3:] == [(epoch, at) for at in (1, 2, 3, 4)]
    (told,) = said(caplog)
    assert told.endswith("what follows position 0 is published again")


async def test_a_broker_that_loses_messages_after_the_restore_is_still_found_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = MemoryBroker()
    async with on_sqlite(tmp_path, broker) as shop:
        await shop.place("kept", 1)
        await counted(shop, 1)
        there, _ = restored(tmp_path)
    async with on_sqlite(there, broker) as shop:
        await shop.place("new", 1)
        await counted(shop, 2)
        broker.messages.pop()
        while not shop.relay.regressions:
            await shop.relay.step()
    assert said(caplog)[1].startswith("the broker has lost messages")
