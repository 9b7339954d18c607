"""Read models of a real process while it is written to, replayed and killed (I9, I12, I13, I14).

The reader asks over HTTP all the while. `changes` of the totals counts the events folded, so a reader who is shown a
generation that is not complete sees it go back.
"""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from .process.checkers import Durable, ReadModels, folded, judge
from .process.load import create, driving
from .process.server import PROJECT, Server, until


def in_small_steps(data: Path) -> Server:
    return Server(data, PROJECTIONS__BATCH_EVENTS="20", PROJECTIONS__CHUNK_ROWS="20")


@contextmanager
def reading(server: Server) -> Iterator[list[int]]:
    """Read the totals in a thread for as long as the block lasts; the list grows by one for each answer."""
    seen: list[int] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            status, body = server.get("/v1/counters/totals")
            if status == 200:
                seen.append(msgspec.json.decode(body)["changes"])

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def replay(server: Server, projection: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", "from armature.cli.main import main; main()", "replay", projection]
    return subprocess.Popen([*command, "--data", str(server.data)], cwd=PROJECT, stderr=subprocess.DEVNULL)


def caught_up(server: Server) -> bool:
    head = len(Durable.read(server.database).log)
    return set(ReadModels.read(server.database).checkpoints.values()) == {head}


@pytest.mark.slow
def test_a_replay_under_load_is_never_seen_half_done(tmp_path: Path) -> None:
    with in_small_steps(tmp_path / "data") as server:
        server.start()
        counters = create(server, 6)
        with driving(server, tmp_path / "history.jsonl", "steps", counters) as load, reading(server) as seen:
            load.goes_on(800)
            for _ in range(3):
                with replay(server, "counter.totals") as running:
                    assert running.wait(60) == 0
            load.goes_on(100)
            history = load.end()
        assert seen == sorted(seen), "a reader saw the totals go back"
        assert len(set(seen)) > 10, "the reader saw nothing move: the test proves nothing"
        until(lambda: caught_up(server), "the projections do not catch up")
        durable, models = Durable.read(server.database), ReadModels.read(server.database)
        folded(durable, models)
        judge(durable, history)
        with replay(server, "counter.history") as again:
            assert again.wait(60) == 0
        assert ReadModels.read(server.database).history == models.history


@pytest.mark.slow
def test_killed_between_fold_and_checkpoint_again_and_again_each_event_is_folded_once(tmp_path: Path) -> None:
    with in_small_steps(tmp_path / "data") as server:
        server.start()
        counters = create(server, 6)
        with driving(server, tmp_path / "history.jsonl", "steps", counters) as load:
            for place in ("projector.applied:9", "projector.committed:7", "commit.written:60", "projector.applied:2"):
                server.kill()
                server.start(crash=place)
                until(lambda: server.dead, f"{place} was not passed")
                assert server.wait() == -signal.SIGKILL
                folded(Durable.read(server.database), ReadModels.read(server.database))
            server.start()
            load.goes_on(100)
            history = load.end()
        until(lambda: caught_up(server), "the projections do not catch up")
        durable = Durable.read(server.database)
        folded(durable, ReadModels.read(server.database))
        judge(durable, history)
