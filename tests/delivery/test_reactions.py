"""Reactions on a real database: an effect once, with its cause; what cannot be taken is parked, retried and never lost."""

import asyncio
from pathlib import Path
from uuid import uuid4

import apsw
import pytest
from msgspec.structs import replace

from armature import Event
from armature.adapters.memory.bus import MemoryBroker
from armature.engine.consumed import DEAD
from armature.engine.generations import unit
from armature.kernel.reaction import Reaction, on
from armature.kernel.statement import change
from armature.runtime.roles.reactor import ReactorRole
from armature.runtime.roles.relay import RelayRole
from tests.delivery.shop import OrderPlaced, Settle, Shop, on_sqlite


async def dead(shop: Shop) -> list[str]:
    (letters,) = await shop.database.read(((DEAD, ("quota.settle",)),))
    return [letter.stream for letter in letters]


async def test_an_event_has_its_effect_and_the_effect_knows_its_cause(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        placed = await shop.place("a", 3)
        await shop.until(lambda: _is(shop, 3), "the quota")
        assert shop.reaction.causes == [("module:quota", "acme", str(placed))]
        events = await shop.relay._events.after(1, 10)
        assert [(one.type, one.causation_id, one.correlation_id) for one in events] == [("quota.counted", str(placed), "corr")]


async def test_a_second_delivery_changes_nothing(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        await shop.place("a", 3)
        await shop.until(lambda: _is(shop, 3), "the quota")
        (first, *_) = list(shop.broker.messages)
        shop.broker._seen.clear()
        shop.broker.put(first)
        await shop.place("b", 4)
        await shop.until(lambda: _is(shop, 7), "the second order")
        assert shop.consumer.taken == 2


async def test_a_broker_that_kept_nothing_over_a_restart_loses_nothing(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        await shop.place("a", 1)
        await shop.until(lambda: _is(shop, 1), "the quota")
        await shop.place("b", 2)
        await shop.relay.step()
        await shop.place("c", 4)
        await shop.relay.close()
    async with on_sqlite(tmp_path) as shop:
        await shop.until(lambda: _is(shop, 7), "what was on its way")
        assert shop.relay.regressions == 1


async def test_an_event_that_cannot_be_taken_parks_its_stream_and_a_retry_applies_it_in_order(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path, attempts_max=2) as shop:
        await shop.place("bad", 666)
        await shop.place("bad", 10, version=2)
        await shop.place("good", 1)
        await shop.until(lambda: _is(shop, 1), "the other stream")
        assert await dead(shop) == ["order/bad"]
        shop.reaction.healed = True
        wish = await shop.requests.ask("retry", "quota.settle")
        shop.consumer._look_at = 0.0
        await shop.until(lambda: _is(shop, 677), "the parked stream")
        ended = await shop.requests.get(wish)
        assert ended is not None
        assert (ended.state, await dead(shop)) == ("done", [])


async def test_a_conflict_over_the_modules_rows_runs_the_reaction_again(tmp_path: Path) -> None:
    bump = change("update quota_used set version = version + 1 where buyer = :buyer")
    async with on_sqlite(tmp_path) as shop:
        shop.database.bind((bump,))
        await shop.place("a", 1)
        await shop.until(lambda: _is(shop, 1), "the first order")
        read, disturbed = shop.database.read, []

        async def disturbing(asks):  # type: ignore[no-untyped-def]
            found = await read(asks)
            if "quota_used" in asks[0][0].text and not disturbed:
                disturbed.append(await shop.database.commit(unit([(bump, ("ann",))])))
            return found

        shop.database.read = disturbing  # type: ignore[method-assign]
        # The runner's workshop was given the old read: hand it the disturbing one.
        runner = shop.consumer._take.__self__  # type: ignore[attr-defined]
        runner._shop = type(runner._shop)("quota", disturbing, runner._shop.models, runner._shop.limits)
        await shop.place("b", 2)
        await shop.until(lambda: _is(shop, 3), "the second order")
        assert disturbed


@pytest.mark.parametrize("running", [False, True])
async def test_a_checkpoint_ahead_of_the_log_halts_by_name_and_for_good(tmp_path: Path, running: bool) -> None:
    async with on_sqlite(tmp_path) as shop:
        for name in "abc":
            await shop.place(name, 1)
        await shop.until(lambda: _is(shop, 3), "three orders")
        if not running:
            await shop.consumer.close()
            await shop.relay.close()
        await outside(tmp_path, "delete from armature_outbox where id > 1; update sqlite_sequence set seq = 1")
        shop.relay._check_at = shop.consumer._look_at = 0.0
        await halted(shop)
        assert "relay broker: its checkpoint 3 is ahead of the log, which ends at 1" in shop.relay.halted
        assert "consumer quota.settle: its checkpoint 3 is ahead of the log, which ends at 1" in shop.consumer.halted
        assert ReactorRole([shop.consumer], 1.0).readiness() == [shop.consumer.halted]
        assert RelayRole(shop.relay, 1.0).readiness() == [shop.relay.halted]
        # The log grows past the checkpoint: from here on nobody could see it any more.
        for name in "defg":
            await shop.place(name, 1)
        sent = len(shop.broker.messages)
        await halted(shop)
        assert (await shop.used(), len(shop.broker.messages)) == (3, sent)


async def outside(folder: Path, sql: str) -> None:
    """Change the file as another program does."""

    def write() -> None:
        db = apsw.Connection(str(folder / "shop.db"))
        db.set_busy_timeout(5_000)
        db.execute(f"begin immediate; {sql}; commit")
        db.close()

    await asyncio.to_thread(write)


async def halted(shop: Shop) -> None:
    for _ in range(3):
        assert not await shop.relay.step()
        assert not await shop.consumer.step()


async def test_a_database_that_was_brought_back_halts_who_was_ahead_of_it_by_its_epoch(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        await shop.place("a", 1)
        await shop.until(lambda: _is(shop, 1), "the order")
        await outside(tmp_path, "update armature_log set epoch = epoch + 1")
        shop.relay._check_at = shop.consumer._look_at = 0.0
        await halted(shop)
        assert "relay broker: its checkpoint is of epoch 1, the log was restored or promoted to 2" in shop.relay.halted
        assert "consumer quota.settle: its checkpoint is of epoch 1" in shop.consumer.halted


async def test_events_of_another_log_at_the_broker_halt_the_consumer_by_name(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        await shop.place("a", 1)
        await shop.until(lambda: _is(shop, 1), "the order")
        shop.broker.put(replace(shop.broker.messages[0], event_id=uuid4(), log="another"))
        while not shop.consumer.halted:
            await shop.consumer.step()
        assert "the broker carries events of the log another, not of" in shop.consumer.halted
        assert await shop.used() == 1


async def test_what_a_broker_kept_from_before_a_restore_and_the_log_lost_has_no_effect(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path) as shop:
        await shop.place("a", 1)
        await shop.until(lambda: _is(shop, 1), "the order")
        first = shop.broker.messages[0]
        await outside(tmp_path, "update armature_log set epoch = 2; update armature_consumers set epoch = 2")
        await outside(tmp_path, "update armature_cursors set epoch = 2")
    async with on_sqlite(tmp_path) as shop:
        await shop.place("b", 2)
        await shop.until(lambda: _is(shop, 3), "the order after the restore")
        # One number, two events: what was lost had the number that the restored log gave to another.
        number = first.position + 2
        shop.broker.put(replace(first, event_id=uuid4(), position=number, stream="order/lost"))
        shop.broker.put(replace(first, event_id=uuid4(), position=number + 100, stream="order/ahead"))
        shop.broker.put(first)
        await shop.place("c", 4)
        await shop.until(lambda: _is(shop, 7), "the order behind what was lost")
        assert shop.consumer.taken == 2


async def test_an_event_no_broker_takes_is_set_aside_and_its_stream_waits(tmp_path: Path) -> None:
    broker = MemoryBroker(message_bytes_max=600)
    async with on_sqlite(tmp_path, broker) as shop:
        await shop.place("big", 1, buyer="x" * 600)
        await shop.place("big", 2, version=2)
        await shop.place("small", 4)
        for _ in range(10):
            await shop.relay.step()
        assert [message.stream for message in broker.messages] == ["order/small"]
        assert shop.relay.quarantined == 2
        broker.message_bytes_max = 6_000
        wish = await shop.requests.ask("retry", "relay:broker")
        for _ in range(10):
            shop.relay._check_at = 0.0
            await shop.relay.step()
        ended = await shop.requests.get(wish)
        assert ended is not None
        assert ended.state == "done"
        assert [message.stream_version for message in broker.messages if message.stream == "order/big"] == [1, 2]


def test_a_reaction_says_what_it_is_called_and_takes_each_event_once() -> None:
    with pytest.raises(TypeError, match=r"is called module\.word"):
        type("Bad", (Reaction,), {}, name="settle")
    with pytest.raises(TypeError, match="reacts to nothing"):
        type("Bad", (Reaction,), {}, name="quota.nothing")

    async def take(self: object, ctx: object, event: Event) -> None: ...

    with pytest.raises(TypeError, match="taken by another method"):
        both = {"a": on(OrderPlaced)(take), "b": on(OrderPlaced)(lambda self, ctx, event: None)}
        type("Bad", (Reaction,), both, name="quota.both")
    assert Settle.methods() == {OrderPlaced: "settle"}


async def _is(shop: Shop, used: int) -> bool:
    return await shop.used() == used
