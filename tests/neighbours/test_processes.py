"""Real processes that are killed, stopped for a while and sent away, with the calls of others in their hands."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

import pytest

from armature.testing.answer import Response
from armature.testing.processes import frozen
from armature.testing.servers import LocalNats
from tests.neighbours.harbour import LAYERS, Gate, build
from tests.topologies.hands import Hands, Process, until

pytestmark = pytest.mark.slow

OVER_NATS = {"neighbours": {"transport": "nats", "url": "env:ARMATURE_NATS_URL"}}
OFTEN = {"observe": {"dependency_seconds": 1.0}}
# Over NATS the death of who has a message is known only by silence, until the caller's time is over.
SOON = {**OFTEN, "commands": {"deadline_seconds": 4.0}}
PATIENT = {**OFTEN, "commands": {"deadline_seconds": 60.0}}
STRICT = {**OFTEN, "queries": {"deadline_seconds": 1.5}, "neighbours": {"breaker_volume_min": 3}}

Start = Callable[[dict[str, Any]], Hands]


@pytest.fixture(params=["grpc", "nats"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Makes systems of given policies whose processes call each other in one of the two ways."""
    environment, environ = {}, {}
    if request.param == "nats":
        nats: LocalNats = request.getfixturevalue("nats")
        environment, environ = OVER_NATS, {"ARMATURE_NATS_URL": nats.url}
    with ExitStack() as stack:
        yield lambda policies: stack.enter_context(
            Hands(build(tmp_path, policies=policies, environment=environment), "harbour", environ)
        )


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as pool:
        yield pool


def count(edge: Process) -> int:
    return int(edge.ask("GET", "/v1/watch").json()["count"])


def both(hands: Hands) -> tuple[Process, Process]:
    """Start the application and then the edge."""
    return hands.launch("app").ready(), hands.launch("edge").ready()


def answered(edge: Process, path: str = "/v1/watch", status: int = 200) -> Callable[[], bool]:
    return lambda: edge.ask("GET", path).status == status


def names_it(edge: Process) -> bool:
    """Whether the edge says in readiness which module it waits for."""
    return any(one.startswith("module pier") for one in edge.ask("GET", "/readyz").json()["missing"])


def load(edge: Process, gate: Gate, **headers: str) -> Callable[[], Response]:
    body: dict[str, Any] = {"note": "tea", "gate": gate.name}
    return lambda: edge.ask("POST", "/v1/crates", body, **headers)


def test_a_command_whose_process_is_killed_is_told_as_unknown_and_its_key_makes_it_one(
    start: Start, callers: ThreadPoolExecutor, tmp_path: Path
) -> None:
    hands = start(SOON)
    app, edge = both(hands)
    gate = Gate(tmp_path)
    keyed = callers.submit(load(edge, gate, idempotency_key="k1"))
    until(lambda: gate.reached, lambda: "the command stands at the gate")
    app.end(SIGKILL)
    told = keyed.result()
    assert (told.status, told.json()["code"]) == (503, "commit:unknown")
    until(lambda: names_it(edge), lambda: "the edge knows that the application is away")
    gate.open()
    hands.launch("app").ready()
    edge.ready()
    again = [load(edge, gate, idempotency_key="k1")() for _ in range(2)]
    assert [one.status for one in again] == [201, 201]
    assert again[0].body == again[1].body
    assert count(edge) == 1


def test_a_command_without_a_key_is_not_sent_again_when_its_process_is_killed(
    start: Start, callers: ThreadPoolExecutor, tmp_path: Path
) -> None:
    hands = start(SOON)
    app, edge = both(hands)
    gate = Gate(tmp_path)
    call = callers.submit(load(edge, gate))
    until(lambda: gate.reached, lambda: "the command stands at the gate")
    app.end(SIGKILL)
    gate.open()
    hands.launch("app").ready()
    told = call.result()
    assert (told.status, told.json()["code"]) == (503, "commit:unknown")
    until(answered(edge), lambda: "the edge asks the application again")
    assert count(edge) == 0


def test_calls_in_hand_are_answered_when_their_process_is_told_to_leave(
    start: Start, callers: ThreadPoolExecutor, tmp_path: Path
) -> None:
    hands = start(PATIENT)
    app, edge = both(hands)
    gates = [Gate(tmp_path) for _ in range(16)]
    calls: list[Future[Response]] = [callers.submit(load(edge, gate)) for gate in gates]
    until(lambda: all(gate.reached for gate in gates), lambda: "all commands stand at their gates")
    leaving = callers.submit(app.end, SIGTERM)
    until(answered(edge, status=503), lambda: "the application takes nothing new")
    for gate in gates:
        gate.open()
    assert [call.result().status for call in calls] == [201] * len(gates)
    assert leaving.result() == 0
    hands.launch("app").ready()
    until(answered(edge), lambda: "the edge asks the new application")
    assert count(edge) == len(gates)


def test_a_process_that_stands_still_is_left_alone_until_a_probe_finds_it_again(
    start: Start, callers: ThreadPoolExecutor
) -> None:
    hands = start(STRICT)
    app, edge = both(hands)
    assert edge.ask("GET", "/v1/watch").status == 200
    with frozen(app.pid):
        late = [callers.submit(edge.ask, "GET", "/v1/watch") for _ in range(6)]
        assert {call.result().json()["code"] for call in late} <= {"system:deadline", "system:unavailable"}
        assert "system:deadline" in {call.result().json()["code"] for call in late}

        def barred() -> bool:
            told = edge.ask("GET", "/v1/watch").json()
            return told["code"] == "system:unavailable" and "left alone" in told["detail"]

        until(barred, lambda: "the breaker is open")
        until(lambda: edge.ask("GET", "/readyz").status == 503, lambda: "readiness says so")
    until(answered(edge), lambda: "a probe closed the breaker")
    edge.ready()


def test_of_two_processes_one_is_killed_and_nobody_notices(tmp_path: Path) -> None:
    nats = {"adapter": "nats", "url": "env:ARMATURE_NATS_URL"}
    postgres = {"adapter": "postgres", "url": "env:ARMATURE_POSTGRES_URL"}
    behind = {"modules": "*", "roles": [*LAYERS["app"]["roles"], "sequencer"], "replicas": 2}
    environment = {"database": postgres, "signal": nats, "bus": nats}
    root = build(tmp_path, environment=environment, processes={"app": behind})
    # So few at once that the budget has a retry for each that the dead one had in hand.
    with Hands(root, "harbour") as hands, ThreadPoolExecutor(6) as few:
        first, edge = both(hands)
        second = hands.launch("app").ready()
        told: list[Response] = []

        def call(number: int) -> None:
            if number % 4:
                told.append(edge.ask("GET", "/v1/watch"))
            else:
                told.append(edge.ask("POST", "/v1/crates", {"note": "tea"}, idempotency_key=f"k{number}"))

        calls = [few.submit(call, number) for number in range(400)]
        until(lambda: len(told) > 100, lambda: "calls are under way")
        first.end(SIGKILL)
        assert not all(one.done() for one in calls), "the kill came too late to prove anything"
        for one in calls:
            one.result()
        # Whoever comes is used: soon there is nobody else.
        third = hands.launch("app").ready()
        second.end(SIGKILL)
        for number in range(400, 440):
            call(number)
        assert third.alive
        assert [one for one in told if one.status not in (200, 201)] == []
        assert count(edge) == 110
