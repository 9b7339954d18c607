"""A client whose network is dead, not its process: how soon does the server drop its session and free its rows?

`python -m tests.faults.dead_network`, as root on Linux: a namespace of its own, a pair of virtual interfaces between it and the
server, and the link is cut. No proxy can show this: a proxy's kernel goes on acknowledging. Prints a line for each way in which a
client can be cut off; exit code 1 when rows were held for longer than is promised, 2 where no namespace can be made.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from armature.adapters.postgres.connection import connect
from armature.adapters.postgres.settings import PostgresSettings
from armature.testing.servers import LocalPostgres

ROOT = Path(__file__).parents[2]
HERE, THERE, NET = "198.18.77.1", "198.18.77.2", "198.18.77.0/30"
HALF = b"Q\0\0\1\0select"
"""The beginning of a message of 256 bytes."""

WORKS_SECONDS = 2.0
PROMISED = {"half a message": 15.0, "an open transaction": 16.0, "an answer under way": 16.0 + WORKS_SECONDS}
"""Seconds by what the client was doing when it was cut off (decision 0037): keepalive where all that the server sent has been
acknowledged; else `tcp_user_timeout`, since the kernel asks nobody who still owes it an acknowledgement."""

# Until the cut is noticed nothing is measured by more than the look at it, and the kernel rounds its timers.
_MARGIN_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0
_NEEDED = "this needs Linux, iproute2 and the right to make network namespaces (root, or CAP_SYS_ADMIN and CAP_NET_ADMIN)"


class Refused(Exception):
    """The machine cannot show it."""


class Reachable(LocalPostgres):
    """A server that hears the other end of the link too."""

    def __init__(self) -> None:
        super().__init__(settings={"listen_addresses": f"127.0.0.1,{HERE}"})

    def _prepare(self) -> None:
        super()._prepare()
        with (self.store / "pg_hba.conf").open("a") as file:
            file.write(f"host all all {NET} trust\n")


@contextmanager
def linked() -> Iterator[tuple[str, str]]:
    """A namespace with one link to here; yields its name, and our end of the link."""
    name, ours, theirs = f"armature-{os.getpid()}", f"am{os.getpid()}a"[-15:], f"am{os.getpid()}b"[-15:]
    _ip("netns", "add", name)
    try:
        _ip("link", "add", ours, "type", "veth", "peer", "name", theirs)
        _ip("link", "set", theirs, "netns", name)
        _ip("addr", "add", f"{HERE}/30", "dev", ours)
        _ip("link", "set", ours, "up")
        _ip("-n", name, "addr", "add", f"{THERE}/30", "dev", theirs)
        _ip("-n", name, "link", "set", theirs, "up")
        yield name, ours
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", ours], check=False, capture_output=True)


def seconds_held(doing: str) -> float:
    """Return for how long a client that was cut off while `doing` something kept others from its row."""
    with linked() as (name, ours), Reachable() as server:
        server.create_database("dead")
        server.sql("create table held (id int primary key, n int not null); insert into held values (1, 0)", "dead")
        url = f"postgresql://postgres@{HERE}:{server.port}/dead"
        words = ["ip", "netns", "exec", name, sys.executable, "-m", "tests.faults.dead_network", url, doing]
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as client:
            try:
                assert client.stdout is not None
                if client.stdout.readline().strip() != "holds":
                    raise RuntimeError("the client never held the row")
                _ip("link", "set", ours, "down")
                began = time.monotonic()
                while not _free(server):
                    if time.monotonic() > began + _PATIENCE_SECONDS:
                        break
                return time.monotonic() - began
            finally:
                client.kill()


def main() -> int:
    """Cut every kind of client off; return the exit code."""
    late = 0
    try:
        for doing, promised in PROMISED.items():
            seconds = seconds_held(doing)
            late += seconds > promised + _MARGIN_SECONDS
            print(f"{doing}: its row was free after {seconds:.1f} s, promised are {promised:g}", flush=True)
    except Refused as refused:
        print(refused)
        return 2
    return int(late > 0)


def _free(server: LocalPostgres) -> bool:
    return server.sql("select count(*) from (select 1 from held where id = 1 for update skip locked) as one", "dead") == "1"


def _ip(*words: str) -> None:
    try:
        done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Refused(f"there is no `ip`; {_NEEDED}") from None
    if done.returncode:
        raise Refused(f"ip {' '.join(words)}: {done.stderr.strip()}; {_NEEDED}")


async def _hold(url: str, doing: str) -> None:
    """Hold a row by a session as the system makes it, and say so."""
    connection = await connect(PostgresSettings(url=url))
    await connection.execute("begin")
    await connection.execute("update held set n = n + 1 where id = 1")
    if doing == "an answer under way":
        said = asyncio.create_task(connection.execute(f"select pg_sleep({WORKS_SECONDS})"))
        await asyncio.sleep(0)
        print("holds", flush=True)
        await said
    if doing == "half a message":
        connection._transport.write(HALF)
        await asyncio.sleep(0.5)
    print("holds", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) == 3:
        asyncio.run(_hold(*sys.argv[1:]))
    else:
        sys.exit(main())
