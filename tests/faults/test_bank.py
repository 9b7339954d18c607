"""The bank: 32 clients move money while the server dies and comes back, and somebody outside counts it all the while.

The count is one statement on the file, through a connection of a process that is no part of the system. Figures: 9 kills,
and 200 with ARMATURE_SOAK=1.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from armature.testing.judges import kept_sum

from .process.checkers import Durable, judge
from .process.load import create, driving
from .process.server import Server, until

KILLS = 200 if os.environ.get("ARMATURE_SOAK") == "1" else 9
COUNTERS = 12
EACH = 1_000
PLACES = ("commit.written:30", "turn.decided:5", "commit.committed:12", "commit.begun:40")


class Auditor:
    """Counts the money again and again, each time as one statement."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._over = threading.Event()
        self.sums: list[int] = []
        self.versions: list[int] = []

    def run(self) -> None:
        """Count until told to stop; the connection is opened again each time, as a stranger's would be."""
        while not self._over.is_set():
            db = apsw.Connection(str(self._file), flags=apsw.SQLITE_OPEN_READWRITE)
            db.set_busy_timeout(5_000)
            for _ in range(20):
                total, versions = db.execute("select sum(value), sum(version) from counter_counters").fetchall()[0]
                self.sums.append(int(str(total)))
                self.versions.append(int(str(versions)))
            db.close()

    def stop(self) -> None:
        """End at the next look."""
        self._over.set()


@contextmanager
def auditing(file: Path) -> Iterator[Auditor]:
    """Let an auditor count in a thread."""
    auditor = Auditor(file)
    thread = threading.Thread(target=auditor.run)
    thread.start()
    try:
        yield auditor
    finally:
        auditor.stop()
        thread.join()


@pytest.mark.slow
def test_the_sum_of_all_counters_never_changes_whoever_is_killed(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        server.start()
        counters = create(server, COUNTERS, EACH)
        with (
            driving(server, tmp_path / "history.jsonl", "transfers", counters, clients=32) as load,
            auditing(server.database) as auditor,
        ):
            for kill in range(KILLS):
                # Now and then at a moment nobody chose; else in the middle of a commit.
                if kill % 3 == 2:
                    load.goes_on(100)
                    server.kill()
                    server.start(crash=PLACES[kill % len(PLACES)])
                else:
                    server.kill()
                    server.start(crash=PLACES[kill % len(PLACES)])
                    until(lambda: server.dead, "the place was not passed")
                    assert server.wait() == -signal.SIGKILL
                    server.start()
            server.kill()
            server.start()
            load.goes_on(200)
            history = load.end()
        kept_sum(auditor.sums, COUNTERS * EACH, moved=sum(line.what == "ok" for line in history))
        assert len(set(auditor.versions)) > KILLS, "the auditor saw nothing move: the test proves nothing"
        judge(Durable.read(server.database), history)
