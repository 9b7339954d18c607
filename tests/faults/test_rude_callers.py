"""Callers who hang up before their answer: their change is there whole or not at all, and their key knows which (I3)."""

from collections import Counter
from pathlib import Path

import pytest

from .process.checkers import Durable, judge
from .process.load import create, driving
from .process.server import Server


@pytest.mark.slow
def test_whoever_hangs_up_and_asks_again_has_one_effect(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        server.start()
        counters = create(server, 8)
        with driving(server, tmp_path / "history.jsonl", "rude", counters, clients=16) as load:
            load.goes_on(2_000)
            history = load.end()
        durable = Durable.read(server.database)
        judge(durable, history)
        effects = durable.of_attempt()
        left = Counter(bool(effects.get(line.attempt)) for line in history if line.what == "info")
        assert left[True] and left[False], f"they all left at one moment: {left}"
        server.ask_to_leave()
        assert server.wait() == 0
