"""A disk that is full, or does not sync: refused in words, nothing half done, and well again without a restart."""

import asyncio
from pathlib import Path

import apsw
import pytest

from armature.conformance.database_world import Waiter, World, event, raises, run
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.ports.database import Committed, Read, Unit

from .lossy_vfs import LossyDisk
from .sqlite_world import found, sqlite_world


@pytest.fixture
def disk(tmp_path: Path) -> LossyDisk:
    return LossyDisk()


async def refused(world: World, names: list[str], words: str) -> None:
    told = await asyncio.gather(*(world.commit(world.opened(name), events=[event()]) for name in names), return_exceptions=True)
    assert [type(error) for error in told] == [Unavailable] * len(names)
    assert all(words in str(error) for error in told)


def test_a_full_disk_refuses_everybody_and_space_is_all_it_needs(tmp_path: Path, disk: LossyDisk) -> None:
    async def story() -> None:
        async with sqlite_world(disk.uri(tmp_path / "full.db")) as world:
            await world.account("before")
            disk.full = True
            await refused(world, ["a", "b", "c"], "disk full")
            await raises(Unavailable, world.step("before"))
            other = apsw.Connection(str(tmp_path / "full.db"))
            other.execute("begin immediate; rollback")  # the refused batch has let go of the file
            other.close()
            before = await world.find("before")
            assert before is not None and before.value == 0, "reads go on, and nothing of the turn is seen"
            disk.full = False
            assert isinstance(await world.commit(world.opened("a"), events=[event()]), Committed)

    run(story())
    assert found(tmp_path / "full.db") == ({"before", "a"}, 1)


@pytest.mark.parametrize("size", [2, 100])  # written on the event loop, and on the writer's thread
def test_a_disk_that_breaks_inside_a_batch_leaves_none_of_it_and_tells_everybody(
    tmp_path: Path, disk: LossyDisk, size: int
) -> None:
    async def story() -> None:
        async with sqlite_world(disk.uri(tmp_path / "broken.db")) as world:
            await world.account("before")
        async with sqlite_world(disk.uri(tmp_path / "broken.db"), fresh=False) as world:  # nothing in its cache yet

            async def unplug(_: Read) -> Unit:
                disk.reads_fail = True
                return Unit("laws", Waiter())

            units = [[world.opened(f"{unit}-{n}") for n in range(size)] for unit in range(6)]
            told = await asyncio.gather(
                world.database.turn((), unplug, Waiter()),
                *(world.commit(*unit, events=[event()]) for unit in units),
                return_exceptions=True,
            )
            assert [type(error) for error in told] == [Unavailable] * 7
            disk.reads_fail = False
            assert isinstance(await world.commit(world.opened("after"), events=[event()]), Committed)

    run(story())
    assert found(tmp_path / "broken.db") == ({"before", "after"}, 1)


def test_a_sync_that_fails_is_no_success(tmp_path: Path, disk: LossyDisk) -> None:
    async def story() -> None:
        async with sqlite_world(disk.uri(tmp_path / "sync.db")) as world:
            await world.account("before")
            disk.sync_fails = True
            # The frames are written; whether they survive a crash nobody can know.
            await raises(UnknownOutcome, world.commit(world.opened("lost"), events=[event()]))
            disk.sync_fails = False
            assert await world.find("lost") is None
            assert isinstance(await world.commit(world.opened("after"), events=[event()]), Committed)

    run(story())
    assert found(tmp_path / "sync.db") == ({"before", "after"}, 1)
