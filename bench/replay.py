"""Ours in the rebuild row: builds the counter's read models anew from a log that is there, and tells how long the folding took.

The engine's own projector, from a replay's request to its swap, in a process that is settled as one that runs for long; what
a command line adds (importing, opening the database) is in the row `start`.

Run: python -m bench.replay FOLDER   (prints one line of JSON)
"""

import sys
import time
from pathlib import Path

import msgspec

from armature.edges.http.server import run_on_uvloop
from armature.engine.projections import HostedProjection, Shop
from armature.engine.requests import Requests
from armature.runtime.addresses import resolve_addresses
from armature.runtime.model import load
from armature.runtime.process import settle_memory
from armature.runtime.project import load_project
from armature.runtime.seat import seat_of
from armature.runtime.wire import Place, wire
from bench.targets import SAME


async def main(folder: Path) -> None:
    model = load(SAME.project, topology="single", environment="dev", flags={"--data": str(folder)}, environ={})
    place = Place(seat_of(model), resolve_addresses(model, {}), b"0" * 32)
    core = await wire(model, load_project(model.root), place)
    now = core.parts.sources.now
    shop = Shop(
        core.database, core.log, core.generations, core.read_models, Requests(core.database, now), model.policies.projections, now
    )
    settle_memory()
    seconds = 0.0
    for read_model in core.read_models.models:
        hosted = HostedProjection(read_model, shop)
        while await hosted.step():
            pass
        wish = await shop.requests.ask("replay", read_model.name)
        began = time.perf_counter()
        await hosted.look()
        while (asked := await shop.requests.get(wish)) is not None and asked.state != "done":
            for _ in range(50):
                if not await hosted.step():
                    break
        seconds += time.perf_counter() - began
    events = await core.log.head()
    print(msgspec.json.encode({"events": events, "seconds": seconds}).decode())
    await core.close()


if __name__ == "__main__":
    run_on_uvloop(main(Path(sys.argv[1])))
