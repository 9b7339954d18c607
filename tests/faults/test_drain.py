"""Asked to leave under load, a process says so first, finishes what it took, and ends by itself (I31)."""

from pathlib import Path

import pytest

from .process.checkers import Durable, judge
from .process.load import create, driving
from .process.server import Server, until


@pytest.mark.slow
def test_readiness_goes_first_and_nobody_who_was_let_in_is_let_down(tmp_path: Path) -> None:
    with Server(tmp_path / "data", HTTP__DRAIN_NOTICE_SECONDS="2") as server:
        server.start()
        counters = create(server, 4)
        with driving(server, tmp_path / "history.jsonl", "transfers", counters, clients=16) as load:
            until(lambda: load.told("ok") + load.told("fail") > 100, "no load")
            server.ask_to_leave()
            until(lambda: server.get("/readyz")[0] == 503, "readiness never said that the process leaves")
            assert server.get("/v1/counters")[0] == 200, "requests are taken until routers had time to look away"
            answered = load.told("ok") + load.told("fail")
            assert server.wait() == 0
            assert load.told("ok") + load.told("fail") > answered, "nobody called while it left: the test proves nothing"
            history = load.end()
        assert not [line for line in history if line.what == "info"], "somebody was let in and got no answer"
        assert not [line for line in history if line.status >= 500]
        assert "cut after" not in server.log.read_text()
        judge(Durable.read(server.database), history)


@pytest.mark.slow
def test_whoever_asks_twice_does_not_wait_for_the_drain(tmp_path: Path) -> None:
    with Server(tmp_path / "data", HTTP__DRAIN_NOTICE_SECONDS="600") as server:
        server.start()
        server.ask_to_leave()
        until(lambda: server.get("/readyz")[0] == 503, "readiness never said that the process leaves")
        server.ask_to_leave()
        assert server.wait() != 0
