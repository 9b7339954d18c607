"""Each key of `queries` and `database`, flipped, and what a caller, a thread or the disk then sees."""

import asyncio
import threading
from time import monotonic

import apsw
import pytest

from tests.edges.wire import until
from tests.model.effects import Running, Stage, effect_of
from tests.model.test_effects_commands import late_answer, locked, unlock

BIG = 20_000_000
"""Bytes; some fifty milliseconds of SQLite."""


@pytest.mark.slow
@effect_of("queries.deadline_seconds", to="0.1", default=200, flipped=504)
async def test_a_query_ends_at_its_deadline(stage: Stage) -> object:
    async with stage.serving() as running:
        return await late_answer(running, "GET /v1/hold?gate=late")


@pytest.mark.slow
@effect_of("queries.position_wait_seconds", to="30", default="reader", flipped="clock")
async def test_a_reader_waits_so_long_for_its_own_write(stage: Stage) -> object:
    async with stage.serving() as running:
        await running.ask("POST /v1/tell", {"lines": -1})  # stops lever.strict before it
        told = await running.ask("POST /v1/tell", {})
        position = told.headers["armature-position"]
        reader = asyncio.create_task(running.ask("GET /v1/seen", armature_position=position))
        clock = asyncio.create_task(running.late())
        await asyncio.wait((reader, clock), return_when=asyncio.FIRST_COMPLETED)
        first = "reader" if reader.done() else "clock"
        reader.cancel()
        await asyncio.wait((reader, clock))
        return first


@pytest.mark.slow
@effect_of("queries.loop_read_seconds", to="60", default=True, flipped=False)
async def test_a_slow_read_leaves_the_loop(stage: Stage) -> object:
    async with stage.serving() as running:
        for _ in range(4):
            await running.ask(f"GET /v1/stall?size={4 * BIG}")
        return await loop_is_free(running, f"GET /v1/stall?size={4 * BIG}")


@pytest.mark.slow
@effect_of("queries.reader_threads", to="1", default=4, flipped=1)
async def test_so_many_threads_read(stage: Stage) -> object:
    async with stage.serving() as running:
        for _ in range(5):  # a thread that just became free takes the next query, so one round may do with fewer
            await asyncio.gather(*(running.ask("GET /v1/climb?steps=300000") for _ in range(8)))
        return len(readers())


@effect_of("database.batch_units_max", to="1", default=True, flipped=False)
async def test_units_that_wait_share_a_commit(stage: Stage) -> object:
    async with stage.serving() as running:
        db = locked(running)
        calls = [asyncio.create_task(running.ask("POST /v1/levers", {})) for _ in range(8)]
        await until(lambda: running.at.public.running == 8)
        unlock(db)
        await asyncio.gather(*calls)
        commits = await running.metric("armature_commits_total")
        batches = await running.metric("armature_commit_batches_total")
        assert commits is not None and batches is not None
        return commits > batches


@pytest.mark.slow
@effect_of("database.busy_seconds", to="0.05", default=201, flipped=503)
async def test_the_writer_waits_so_long_for_another_process(stage: Stage) -> object:
    async with stage.serving() as running:
        db = locked(running)
        call = asyncio.create_task(running.ask("POST /v1/levers", {}))
        await running.late()
        unlock(db)
        return (await call).status


@pytest.mark.slow
@effect_of("database.slow_statement_seconds", to="60", default=True, flipped=False)
async def test_a_lane_of_slow_statements_leaves_the_loop(stage: Stage) -> object:
    async with stage.serving() as running:
        await running.lever()
        for _ in range(2):
            await running.ask("POST /v1/toil", {"size": 4 * BIG})
        return await loop_is_free(running, "POST /v1/toil", {"size": 4 * BIG})


@effect_of("database.synchronous", to="normal", default=True, flipped=False)
async def test_a_commit_is_on_the_disk_when_it_is_answered(stage: Stage) -> object:
    disk = Disk()
    try:
        async with stage.serving() as running:
            await running.lever()
            before = disk.syncs
            for _ in range(3):
                await running.lever()
            return disk.syncs - before >= 3
    finally:
        disk.unregister()


class Disk(apsw.VFS):
    """The file system, counting how often the log is forced to the disk."""

    def __init__(self) -> None:
        self.syncs = 0
        super().__init__("effects", "unix", makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "Log | apsw.VFSFile":
        return Log(self, name, flags)


class Log(apsw.VFSFile):
    """A file of it."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._counts = bool(flags[0] & apsw.SQLITE_OPEN_WAL)

    def xSync(self, flags: int) -> None:
        self._disk.syncs += self._counts
        super().xSync(flags)


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("armature-reader")]


async def loop_is_free(running: Running, line: str, body: object = None) -> bool:
    """Whether the loop goes on for most of the time that a slow statement takes."""
    began, gap = monotonic(), 0.0
    call = asyncio.create_task(running.ask(line, body))
    last = began
    while not call.done():
        await asyncio.sleep(0)
        now = monotonic()
        gap, last = max(gap, now - last), now
    assert (await call).status == 200
    return gap < (monotonic() - began) / 2
