"""Relay and consumer that come so late that the log has moved to the archive: they read it there, and stop at a hole by name."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from armature.engine.archive import Archive
from armature.engine.policies import RetentionPolicy
from armature.engine.segments import ArchiveHole
from tests.delivery.shop import Shop, now, on_sqlite


def tomorrow() -> datetime:
    return now() + timedelta(days=1)


async def archived(shop: Shop, folder: Path) -> int:
    """Move every full segment of four events away; return how many there are."""
    return await Archive(shop.database, folder, RetentionPolicy(segment_events=4, log_days=0.1), tomorrow, 60.0).run()


async def test_what_was_archived_before_the_first_start_still_arrives_and_in_order(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path, window_events=3) as shop:
        for n in range(10):
            await shop.place("ab"[n % 2], 1, version=1 + n // 2)
        assert await archived(shop, tmp_path) == 2
        await shop.until(lambda: _used(shop, 10), "all orders")
        assert shop.consumer.taken == 10
        await shop.until(lambda: _carried(shop, 20), "all events")
        assert [message.position for message in shop.broker.messages] == list(range(1, 21))


async def test_a_parked_stream_whose_events_were_archived_is_retried_in_order(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path, attempts_max=1) as shop:
        await shop.place("bad", 666)
        for version in range(2, 6):
            await shop.place("bad", 10 ** (version - 1), version=version)
        await shop.place("good", 1)
        await shop.until(lambda: _used(shop, 1), "the other stream")
        assert shop.consumer.parked == 1
        assert await archived(shop, tmp_path) == 1
        shop.reaction.healed = True
        await shop.requests.ask("retry", "quota.settle")
        shop.consumer._look_at = 0.0
        await shop.until(lambda: _used(shop, 11_777), "the parked stream")
        assert len(set(shop.reaction.causes)) == len(shop.reaction.causes) == 6


async def test_a_hole_in_the_archive_stops_them_by_name_and_nothing_is_passed_over(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path, window_events=4) as shop:
        for version in range(1, 11):
            await shop.place("a", 1, version=version)
        assert await archived(shop, tmp_path) == 2
        lost = segments(tmp_path)[1]
        kept = lost.read_bytes()
        lost.unlink()
        await shop.consumer.step()
        for step in (shop.relay.step, shop.consumer.step):
            with pytest.raises(ArchiveHole, match="the log is missing position 5"):
                for _ in range(10):
                    await step()
        assert (await shop.used(), shop.relay.position) == (4, None)
        assert [message.position for message in shop.broker.messages] == [1, 2, 3, 4]
        lost.write_bytes(kept)
        await shop.until(lambda: _used(shop, 10), "what was brought back")


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.segment"))


async def _used(shop: Shop, used: int) -> bool:
    return await shop.used() == used


async def _carried(shop: Shop, position: int) -> bool:
    return shop.relay.position == position
