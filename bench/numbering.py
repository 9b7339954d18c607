"""Ours in the row `numbering`: numbers all events that have no position, as the sequencer role does when it is behind.

Run: python -m bench.numbering URL LIMIT   (prints one line of JSON: events, seconds, processor seconds of this process)
"""

import sys
import time

import asyncpg
import msgspec

from armature.adapters.postgres.numbering import number
from armature.edges.http.server import run_on_uvloop


async def main(url: str, limit: int) -> None:
    connection = await asyncpg.connect(url)
    events, started, burnt = 0, time.perf_counter(), time.process_time()
    while count := (await number(connection, limit)).count:
        events += count
    told = {"events": events, "seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - burnt}
    await connection.close()
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    run_on_uvloop(main(sys.argv[1], int(sys.argv[2])))
