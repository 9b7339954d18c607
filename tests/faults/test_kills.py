"""Killed at each named place under load, by a driver that is somebody else: nothing acknowledged is lost, nothing is half there.

Figures: 8 kills at each of 6 places in a change (48 kills over some thousands of commands), and 60 at each with
ARMATURE_SOAK=1.
"""

import os
import signal
from pathlib import Path

import pytest

from armature.engine.crash import CRASH_POINTS

from .process.checkers import Durable, final_positions, judge
from .process.load import create, driving
from .process.server import Server, until

SOAK = os.environ.get("ARMATURE_SOAK") == "1"
KILLS = 60 if SOAK else 8
PLACES = sorted(name for name in CRASH_POINTS if name.startswith(("commit.", "turn.")))
PASSINGS = (40, 11, 3, 90, 25)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_server_killed_there_again_and_again_keeps_its_word(tmp_path: Path, place: str) -> None:
    with Server(tmp_path / "data") as server:
        server.start()
        # Few counters are hot, and their callers take turns; many are not, and their units share batches.
        counters = create(server, 4 if place.startswith("turn.") else 40)
        server.kill()
        before = Durable.read(server.database)
        with driving(server, tmp_path / "history.jsonl", "steps", counters, clients=8, seed=PLACES.index(place)) as load:
            for kill in range(KILLS):
                server.start(crash=f"{place}:{PASSINGS[kill % len(PASSINGS)]}")
                until(lambda: server.dead, f"{place} was not passed")
                assert server.wait() == -signal.SIGKILL
                assert load.alive
                after = Durable.read(server.database)
                final_positions(after, before)
                before = after
            server.start()
            lost = load.told("info")
            load.goes_on(50)
            history = load.end()
        assert server.process is not None
        server.ask_to_leave()
        assert server.wait() == 0
        assert lost >= KILLS // 2, "hardly anybody was left without an answer: the kills hit nothing"
        judge(Durable.read(server.database), history)
