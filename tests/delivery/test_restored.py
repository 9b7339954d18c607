"""A log that went back to an older state, and a broker that did not: it is told once, and nothing is lost, doubled or undone."""

import logging
from pathlib import Path

import pytest

from armature.adapters.memory.bus import MemoryBroker
from armature.adapters.sqlite.backup import restore_file, save_file
from tests.delivery.shop import Shop, on_sqlite

ROUNDS = 20


def restored(folder: Path) -> Path:
    """Save a shop's file and bring it to life in another place, in its next epoch; return that place."""
    there = folder / "again"
    (folder / "saved").mkdir()
    manifest = save_file(folder / "shop.db", folder / "saved", folder / "archive", "1")
    assert restore_file(folder / "saved", there / "shop.db", manifest) == 2
    return there


async def counted(shop: Shop, amount: int) -> None:
    """Step until the quota knows of so much."""

    async def reached() -> bool:
        return await shop.used() == amount

    await shop.until(reached, f"used is {amount}")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.name == "armature.relay"]


async def test_a_relay_tells_once_that_its_log_was_restored_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    broker = MemoryBroker()
    async with on_sqlite(tmp_path, broker) as shop:
        for number in range(3):
            await shop.place(f"kept-{number}", 1)
        await counted(shop, 3)
        there = restored(tmp_path)
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
        assert head is not None and (last.epoch, last.position) == (2, head)
    (told,) = said(caplog)
    assert "the log was restored or promoted to epoch 2" in told and "of epoch 1" in told, told


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
        there = restored(tmp_path)
    async with on_sqlite(there, broker) as shop:
        await shop.place("new", 1)
        while shop.relay.position != 4:
            await shop.relay.step()
        for _ in range(ROUNDS):
            await shop.relay.step()
        assert shop.relay.regressions == 0
    assert [(one.epoch, one.position) for one in broker.messages][3:] == [(2, 1), (2, 2), (2, 3), (2, 4)]
    (told,) = said(caplog)
    assert told.endswith("what follows position 0 is published again")


async def test_a_broker_that_loses_messages_after_the_restore_is_still_found_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = MemoryBroker()
    async with on_sqlite(tmp_path, broker) as shop:
        await shop.place("kept", 1)
        await counted(shop, 1)
        there = restored(tmp_path)
    async with on_sqlite(there, broker) as shop:
        await shop.place("new", 1)
        await counted(shop, 2)
        broker.messages.pop()
        while not shop.relay.regressions:
            await shop.relay.step()
    assert said(caplog)[1].startswith("the broker has lost messages")
