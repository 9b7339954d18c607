"""Every request of the raw corpus gets its verdict, over a real socket, from a real server."""

import asyncio
from collections import Counter

import pytest
import uvloop
from msgspec import structs

from tests.edges.raw_corpus import PLAIN, Case
from tests.edges.raw_framing import FRAMING
from tests.edges.raw_limits import LIMITS
from tests.edges.raw_syntax import SYNTAX
from tests.edges.wire import Answer, Echo, Wire, serving, until

CORPUS = [*FRAMING, *SYNTAX, *LIMITS]
SHAPES = [pytest.param(case, id=f"{case.group}: {case.name}") for case in [*FRAMING, *SYNTAX]]
DRIP_SECONDS = 0.02


async def _drip(wire: Wire, data: bytes) -> None:
    """Send piece after piece, slowly, until the server had enough."""
    while not wire.writer.is_closing():
        wire.send(data)
        await asyncio.sleep(DRIP_SECONDS)


async def _converse(case: Case, wire: Wire, piece: int) -> list[Answer]:
    for start in range(0, len(case.send), piece):
        wire.send(case.send[start : start + piece])
        # The server runs in the same loop: it reads this piece before the next one is sent.
        await asyncio.sleep(0)
    dripping = asyncio.create_task(_drip(wire, case.drip)) if case.drip else None
    answers = []
    for number in range(len(case.statuses)):
        answer = await wire.answer()
        assert answer is not None, f"the connection ended after {number} answers"
        answers.append(answer)
        if number == 0 and case.then:
            wire.send(case.then)
    if dripping is not None:
        dripping.cancel()
    return answers


async def _crowd(case: Case, port: int) -> list[Wire]:
    """The other connections, each known to be open on the server's side."""
    crowd = []
    for data in case.others:
        wire = await Wire.open(port)
        wire.send(data)
        if data == PLAIN:
            assert await wire.answer() is not None
        crowd.append(wire)
    return crowd


async def _run(case: Case, piece: int = 1_000_000) -> None:
    echo = Echo()
    async with serving(echo, **case.policy) as server:
        crowd = await _crowd(case, server.port)
        await until(lambda: server.connections == len(crowd))
        wire = await Wire.open(server.port)
        before = echo.completed
        answers = await _converse(case, wire, piece)
        assert tuple(answer.status for answer in answers) == case.statuses
        assert echo.completed - before == case.statuses.count(200), "a refused request reached the application"
        if case.code is not None:
            _check_problem(answers[-1], case)
        if case.closes:
            assert await wire.ended()
        else:
            wire.send(PLAIN)
            answer = await wire.answer()
            assert answer is not None and answer.status == 200
        for other in [wire, *crowd]:
            await other.close()


def _check_problem(answer: Answer, case: Case) -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert "server" not in answer.headers
    problem = answer.problem()
    assert (problem["code"], problem["status"]) == (case.code, case.statuses[-1])
    assert problem.keys() == {"type", "title", "status", "detail", "code", "kind", "timestamp"}


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.group}: {case.name}") for case in CORPUS])
def test_a_raw_request_gets_its_verdict(case: Case) -> None:
    uvloop.run(_run(case))


@pytest.mark.parametrize("case", SHAPES)
def test_a_bad_request_gets_the_same_verdict_after_a_good_one(case: Case) -> None:
    uvloop.run(_run(structs.replace(case, send=PLAIN + case.send, statuses=(200, *case.statuses))))


@pytest.mark.parametrize("case", SHAPES)
def test_a_request_gets_the_same_verdict_when_it_arrives_byte_by_byte(case: Case) -> None:
    # On asyncio's own loop, so that nothing here depends on uvloop.
    asyncio.run(_run(case, piece=1))


def test_every_class_has_five_requests_that_must_not_pass() -> None:
    bad = Counter(case.group for case in CORPUS if case.closes)
    assert {group: count for group, count in bad.items() if count < 5} == {}
    assert len(bad) == 18


def test_every_class_has_a_neighbour_that_must_pass() -> None:
    assert {case.group for case in CORPUS} == {case.group for case in CORPUS if not case.closes}
