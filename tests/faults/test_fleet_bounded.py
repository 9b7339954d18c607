"""Thousands of requests, a third of whose callers hang up, and whole crowds of callers that are killed (I32): afterwards a web
process of the fleet holds no more memory, files, threads and tasks than before."""

import asyncio
import os
import random
from pathlib import Path

import pytest

from armature.edges.http.server import HttpServer
from armature.engine.policies import HttpPolicy

from .process.fleet import Breakable, Fleet
from .process.load import create, driving
from .process.patience import eventually
from .process.server import Server, until
from .process.supervised import addresses
from .process.whole import migrate

pytestmark = pytest.mark.slow

ROUNDS, REQUESTS, CLIENTS = 4, 1_500, 32
GROWTH_BYTES = 16 * 1_048_576
"""About five kilobytes for each request of the last two rounds: a call, its work and its answer are more."""
FILES = 24
"""Connections to servers that come and go: pools of reads and commits, cache, limiter."""
DATABASE = "bounded"


def bytes_of(pid: int) -> int:
    """Return the resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def files_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def threads_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def test_rude_and_killed_callers_leave_nothing_behind_in_a_process(breakable: Breakable, tmp_path: Path) -> None:
    migrate(breakable.postgres.create_database(DATABASE))
    words = ("--topology", "fleet", "--process", "web")
    with Server(tmp_path / "data", words=words, **addresses(breakable, DATABASE)) as server:  # type: ignore[arg-type]
        server.start()
        assert server.process is not None
        pid = server.process.pid
        counters = create(server, 8)
        quiet, threads = files_of(pid), []
        memory, cut = [], 0
        for number in range(ROUNDS):
            file = tmp_path / f"{number}.jsonl"
            with driving(server, file, "rude", counters, clients=CLIENTS, seed=number) as load:
                load.goes_on(REQUESTS)
                assert files_of(pid) > quiet, "nobody is connected"
                # Left to the block's end, which kills callers with whatever they have under way.
            history = load.seen()
            cut += sum(line.what == "info" for line in history)
            until(lambda: files_of(pid) <= quiet + FILES, "files of callers who are gone stay open")
            memory.append(bytes_of(pid))
            threads.append(threads_of(pid))
        assert cut > ROUNDS * 100, f"only {cut} callers hung up: this proves little"
        assert memory[-1] - memory[1] <= GROWTH_BYTES, f"memory grows: {memory}"
        assert max(threads) <= threads[0] + 2, f"threads grow: {threads}"
        assert server.get("/readyz")[0] == 200
    held = f"select count(*) from pg_stat_activity where datname = '{DATABASE}'"
    until(lambda: breakable.postgres.sql(held) == "0", "a connection outlives its process")


async def test_callers_who_leave_at_any_moment_leave_no_task_behind(fleet: Fleet) -> None:
    dice = random.Random(7)
    async with fleet.open("web", direct=True) as web:
        path = await web.counter()
        server = HttpServer(web.system.app, HttpPolicy(port=0, connections_per_address_max=10_000))
        await server.start()
        try:
            await _leave(server.port, path, 0.001)
            await eventually(lambda: _idle(server), "the first callers stay")
            before = len(asyncio.all_tasks())
            for _ in range(10):
                await asyncio.gather(*(_leave(server.port, path, dice.random() * 0.02) for _ in range(100)))
            await eventually(lambda: _no_more(server, before), "tasks of callers who left go on")
            assert web.system.core.parts.deadlines.expired > 0, "nobody left while a call ran: this proves little"
            assert web.system.core.parts.deadlines.running == {}
            assert (await web.get(path)).status == 200
        finally:
            await server.stop()


async def _leave(port: int, path: str, seconds: float) -> None:
    """Ask, and hang up after so long."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"by":1}'
    head = (
        f"POST {path}/increment HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await writer.drain()
    await asyncio.sleep(seconds)
    writer.transport.abort()


async def _idle(server: HttpServer) -> bool:
    return server.running == 0


async def _no_more(server: HttpServer, before: int) -> bool:
    return server.running == 0 and len(asyncio.all_tasks()) <= before
