"""One counter that everybody wants, over real sockets: nobody is refused, and nobody decides more than twice."""

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from tests.faults.process.checkers import Durable, adds_up, final_positions
from tests.faults.process.load import create
from tests.faults.process.server import Server
from tests.faults.process.wire import Answered, Line

CALLERS = 64
ROUNDS = 5


@pytest.mark.slow
def test_sixty_four_callers_of_one_counter_all_succeed_without_a_storm(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        server.start()
        (counter,) = create(server, 1)

        async def caller() -> list[Answered]:
            line = Line(server.port)
            told = [await line.request("POST", f"/v1/counters/{counter}/increment", body=b"{}") for _ in range(ROUNDS)]
            line.close()
            return told

        async def crowd() -> list[list[Answered]]:
            return await asyncio.gather(*(caller() for _ in range(CALLERS)))

        told = [answer for answers in asyncio.run(crowd()) for answer in answers]
        assert {answer.status for answer in told} == {200}
        versions = sorted(msgspec.json.decode(answer.body)["version"] for answer in told)
        assert versions == list(range(2, CALLERS * ROUNDS + 2))
        reruns = again(server.get("/metrics")[1].decode())
        assert 0 < reruns <= len(told), f"{reruns} second runs for {len(told)} calls"
        durable = Durable.read(server.database)
        assert next(iter(durable.counters.values())) == (CALLERS * ROUNDS, CALLERS * ROUNDS + 1)
        final_positions(durable)
        adds_up(durable)


def again(metrics: str) -> int:
    """Return how often the increment decided again."""
    found = re.findall(r'^armature_command_reruns_total\{operation="counter\.increment"\} (\S+)$', metrics, re.MULTILINE)
    return int(float(found[0])) if found else 0
