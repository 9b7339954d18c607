"""A process of its own that does one piece of a projection's life, so that a test can kill it in the middle.

`python -m tests.projections.worker FOLDER project|replay|archive`
"""

import asyncio
import sys
from pathlib import Path

from armature.engine.policies import ProjectionPolicy, RetentionPolicy
from tests.projections.lab import Lab

POLICY = ProjectionPolicy(batch_events=15, chunk_rows=10)
RETENTION = RetentionPolicy(segment_events=40, log_days=0.000001)


async def work(folder: Path, what: str) -> None:
    async with Lab(folder, policy=POLICY, retention=RETENTION) as lab:
        lab.clock.forward(days=40)  # type: ignore[attr-defined]
        if what == "replay" and not await lab.requests.open("probe.lines"):
            await lab.requests.ask("replay", "probe.lines")
        if what == "archive":
            await lab.reads.poll()
            await lab.reads.announce()
            await lab.archive.run()
        else:
            await lab.drain()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
