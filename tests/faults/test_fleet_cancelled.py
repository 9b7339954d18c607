"""Callers who vanish over a long read, or whose deadline passes over one: the statement ends on the server too, its connection's
place is free for the next caller, and nothing of it is left in the process or on the server."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from armature.adapters.postgres.session import Session, connected

from .process.load import create
from .process.server import Server, until

pytestmark = pytest.mark.slow

CONNECTIONS = 2
ROUNDS = 3 * CONNECTIONS
"""Each round sends one caller away: if a place leaked, there would soon be none."""
ROOM = {
    "POSTGRES__READ_CONNECTIONS": str(CONNECTIONS),
    "POSTGRES__LOCK_SECONDS": "120",
    "POSTGRES__STATEMENT_SECONDS": "120",
    "QUERIES__DEADLINE_SECONDS": "120",
    "COMMANDS__DEADLINE_SECONDS": "120",
    "OBSERVE__DEPENDENCY_SECONDS": "600",  # the observer's own question is no caller's
    "PROJECTIONS__POLL_SECONDS": "600",
}
READS = {
    "one statement": "/v1/counters/{id}",
    "two of one state": "/v1/counters?page=0",
}
STUCK = """
select count(*) from pg_stat_activity
 where datname = current_database() and application_name like 'armature%' and wait_event_type = 'Lock'
"""
OPEN = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'"
HELD = "select count(*) from pg_stat_activity where datname = current_database() and application_name like 'armature%'"


class Database:
    """What the server of one database says of its sessions, past the process under test."""

    def __init__(self, url: str, watching: Session) -> None:
        self.url = url
        self._watching = watching

    def count(self, question: str) -> int:
        """Ask for a number."""
        return int(self._watching.rows(question)[0][0])

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the counters, so that who reads them reads for as long as the block lasts."""
        with connected(self.url, application_name="locker") as locker:
            locker.run("begin; lock table counter_counters in access exclusive mode")
            yield
            locker.run("rollback")


@pytest.fixture
def database(ready_url: str) -> Iterator[Database]:
    with connected(ready_url, application_name="watcher") as watching:
        yield Database(ready_url, watching)


def started(folder: Path, database: Database, **policies: str) -> Server:
    words = ("--topology", "single-postgres")
    server = Server(folder / "data", words=words, POSTGRES_URL=database.url, **{**ROOM, **policies})
    server.start()
    return server


def ask(server: Server, path: str) -> socket.socket:
    """Send a question and wait for no answer."""
    caller = socket.create_connection(("127.0.0.1", server.port))
    caller.sendall(f"GET {path} HTTP/1.1\r\nhost: test\r\n\r\n".encode())
    return caller


def reset(caller: socket.socket) -> None:
    """Leave as a process that dies: RST instead of FIN."""
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()


def files(server: Server) -> int:
    assert server.process is not None
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


@pytest.mark.parametrize("leave", [socket.socket.close, reset], ids=["closed", "reset"])
@pytest.mark.parametrize("path", READS.values(), ids=READS)
def test_a_caller_who_vanishes_over_a_long_read_ends_it_on_the_server(
    tmp_path: Path, database: Database, path: str, leave: object
) -> None:
    with started(tmp_path, database) as server:
        asked = path.format(id=create(server, 1)[0])
        assert server.get(asked)[0] == 200
        before = files(server)
        with database.locked():
            for _ in range(ROUNDS):
                caller = ask(server, asked)
                until(lambda: database.count(STUCK) == 1, "the read never reaches the server")
                leave(caller)  # type: ignore[operator]
                until(lambda: database.count(STUCK) == 0, "a read that nobody waits for goes on at the server")
        assert server.get(asked)[0] == 200, "no place is left for who asks now"
        until(lambda: database.count(OPEN) == 0, "a transaction of somebody who left stands open")
        assert database.count(HELD) <= 2 * CONNECTIONS + 10
        until(lambda: files(server) <= before + CONNECTIONS, "files of callers who left stay open")


@pytest.mark.parametrize("path", READS.values(), ids=READS)
def test_a_read_that_outlasts_its_deadline_ends_on_the_server(tmp_path: Path, database: Database, path: str) -> None:
    with started(tmp_path, database, QUERIES__DEADLINE_SECONDS="1") as server:
        asked = path.format(id=create(server, 1)[0])
        with database.locked():
            for _ in range(ROUNDS):
                with closing(ask(server, asked)) as caller:
                    until(lambda: database.count(STUCK) == 1, "the read never reaches the server")
                    caller.settimeout(60)
                    assert caller.recv(65_536).startswith(b"HTTP/1.1 504 ")
                until(lambda: database.count(STUCK) == 0, "a read whose caller was sent away goes on at the server")
        assert server.get(asked)[0] == 200, "no place is left for who asks now"
        until(lambda: database.count(OPEN) == 0, "a transaction of somebody who left stands open")


def test_a_reader_who_vanishes_takes_nobody_with_him(tmp_path: Path, database: Database) -> None:
    """Whoever asked the same thing in the same moment shares his round trip, and gets his answer all the same."""
    with started(tmp_path, database) as server:
        asked = READS["one statement"].format(id=create(server, 1)[0])
        with database.locked():
            callers = [ask(server, asked) for _ in range(12)]
            until(lambda: database.count(STUCK) >= 1, "the reads never reach the server")
            for caller in callers[::2]:
                caller.close()
            # What a caller asks after the others have left is answered after them: the process has seen them leave.
            assert server.get("/livez")[0] == 200
            assert database.count(STUCK) >= 1
        for caller in callers[1::2]:
            caller.settimeout(60)
            assert caller.recv(65_536).startswith(b"HTTP/1.1 200 ")
            caller.close()
