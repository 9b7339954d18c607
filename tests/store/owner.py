"""An owner in a process of its own, which a test may kill: `python -m tests.store.owner FOLDER`. Says `open` when it serves."""

import asyncio
import sys
from pathlib import Path

from tests.store.pair import Keeper


async def serve(folder: Path) -> None:
    """Serve until the caller closes our input, which only a test that ended does."""
    keeper = Keeper(folder)
    await keeper.open()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await keeper.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
