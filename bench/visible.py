"""How long after a command's `now` its event is in a read model: watches the checkpoint from outside, every two milliseconds.

Run: python -m bench.visible URL PROJECTION SECONDS   (prints one line of JSON; times in ms)
"""

import asyncio
import sys
import time
from bisect import bisect_left

import asyncpg
import msgspec

LOOK_SECONDS = 0.002
CHECKPOINT = """
select max(c.position) from armature_checkpoints c
  join armature_generations g on g.projection = c.projection and g.generation = c.generation and g.state = 'live'
 where c.projection = $1
"""
BORN = "select position, extract(epoch from occurred_at)::float8 from armature_outbox where position between $1 and $2"


async def main(url: str, projection: str, seconds: float) -> None:
    connection = await asyncpg.connect(url)
    first = last = await connection.fetchval(CHECKPOINT, projection) or 0
    positions, times = [], []
    until = time.time() + seconds
    while time.time() < until:
        position = await connection.fetchval(CHECKPOINT, projection) or 0
        if position > last:
            positions.append(position)
            times.append(time.time())
            last = position
        await asyncio.sleep(LOOK_SECONDS)
    born = await connection.fetch(BORN, first + 1, last)
    await connection.close()
    waits = sorted((times[bisect_left(positions, position)] - at) * 1e3 for position, at in born)
    if not waits:
        raise SystemExit("nothing became visible")
    told = {"events": len(waits), "p50_ms": waits[len(waits) // 2], "p99_ms": waits[int(len(waits) * 0.99)]}
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
