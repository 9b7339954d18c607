"""The README's walk is walked: the same commands, a real server, killed where the page kills it."""

from collections.abc import Iterator
from time import monotonic, sleep

import pytest

from armature.testing import Response, RunningServer
from tests.docs.pages import ROOT
from tests.docs.walk import Request, Step, Told, read_steps, request_of

_PATIENCE_SECONDS = 30.0
"""Read models follow within milliseconds; a busy machine may take longer."""


@pytest.fixture
def server() -> Iterator[RunningServer]:
    with RunningServer(ROOT) as server:
        yield server


@pytest.mark.slow
def test_every_command_of_the_readme_answers_what_the_readme_says(server: RunningServer) -> None:
    told, variables = Told(), dict[str, str]()
    steps = read_steps(ROOT / "README.md")
    assert sum(step.command.startswith("curl ") for step in steps) >= 8
    for step in steps:
        command = told.in_real(step.command)
        name, equals, value = command.partition("=")
        if equals and name.isupper():
            variables[f"${name}"] = value
        elif command.startswith("kill -9 "):
            server.kill9()
        elif command.startswith(".venv/bin/armature run"):
            server.restart()
        else:
            for variable, value in variables.items():
                command = command.replace(variable, value)
            _asked(server, request_of(command), step, told)


def _asked(server: RunningServer, request: Request, step: Step, told: Told) -> None:
    until = monotonic() + _PATIENCE_SECONDS
    while True:
        shown = _shown(server.request(request.method, request.path, body=request.body, headers=request.headers), request)
        missing = told.missing(step.expected, shown)
        if missing is None:
            return
        assert request.method == "GET" and monotonic() < until, f"$ {step.command}\nwanted: {missing}\nfound: {shown}"
        sleep(0.02)


def _shown(answer: Response, request: Request) -> list[str]:
    body = answer.body.decode().splitlines()
    if not request.shows_head:
        return body
    words = {200: "OK", 201: "Created"}
    head = [f"HTTP/1.1 {answer.status} {words.get(answer.status, '')}", *(f"{k}: {v}" for k, v in sorted(answer.headers.items()))]
    return [*head, *body]


def test_a_page_that_says_something_else_is_found_out() -> None:
    told = Told()
    one, other = "018f4d2e-0000-7000-8000-000000000001", "01a1fc05-fd59-7bd4-aa67-a995692e32e1"
    assert told.missing(["…", f'{{"id":"{one}"}}'], ["etag: 1", f'{{"id":"{other}"}}']) is None
    assert told.in_real(f"/v1/counters/{one}") == f"/v1/counters/{other}"
    assert told.missing([f'{{"id":"{one}","value":2}}'], [f'{{"id":"{other}","value":3}}']) == f'{{"id":"{one}","value":2}}'
    assert told.missing(["a"], ["a", "b"]) is not None
    with pytest.raises(ValueError, match="--json"):
        request_of("curl --json '{}' localhost:8080/v1/counters")
