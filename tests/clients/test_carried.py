"""What every Python client carries along: streams, pauses, budgets, repeats and refusals, whatever the contract says."""

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armature.clients.blocking import blocking
from armature.clients.carried.python._calls import Call, Operation, Options, ask, etag, nothing, repeatable
from armature.clients.carried.python._events import Block, EventParser
from armature.clients.carried.python._patience import Budget, Patience, Pause
from armature.clients.carried.python._refusals import NoAnswer, Refused, refused

STREAM = (
    "\ufeffretry: 2500\nid: a\n\n: alive\r\nid: b\r\n\r\nid: c\revent: moved\rdata: é\rdata:  two\r\rdata\n\ndata: lost".encode()
)
BLOCKS = [
    Block("a", "message", None),
    Block("b", "message", None),
    Block("c", "moved", "é\n two"),
    Block("c", "message", ""),
]


@given(cuts=st.sets(st.integers(1, len(STREAM) - 1)))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_stream_says_the_same_wherever_it_is_cut(cuts: set[int]) -> None:
    parser = EventParser()
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in zip(places, places[1:], strict=False)]
    assert [block for piece in pieces for block in parser.feed(piece)] == BLOCKS
    assert parser.retry_seconds == 2.5


def test_an_id_with_a_nul_and_a_retry_that_is_no_number_are_ignored() -> None:
    parser = EventParser()
    assert list(parser.feed(b"id: a\0b\nretry: soon\nunknown: x\n\n")) == [Block("", "message", None)]
    assert parser.retry_seconds is None


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_pauses_are_random_below_a_bound_that_doubles_and_after_what_the_server_asked(chance: float) -> None:
    pause = Pause(Options(pause_seconds=1.0, pause_seconds_max=4.0), lambda: chance)
    assert [pause.next(None) for _ in range(4)] == [chance * bound for bound in (1, 2, 4, 4)]
    assert pause.next(7.0) == 7.0 + chance * 4
    pause.again()
    assert pause.next(None) == chance


def test_a_budget_lets_a_tenth_of_all_calls_be_repeated() -> None:
    budget = Budget(Options(budget=0.1, budget_spare=10.0))
    spent = 0
    for _ in range(1_000):
        budget.earn()
        spent += budget.spend()
    assert spent == pytest.approx(1_000 * 0.1 + 10, abs=2)


def test_a_call_has_so_many_attempts_and_waits_never_beyond_its_deadline() -> None:
    times: Iterator[float] = iter([0.0] * 100)
    patience = Patience(Options(attempts_max=3, deadline_seconds=5.0), Budget(Options()), None, lambda: next(times))
    assert patience.wait(5.0) is None
    assert [patience.wait(None) is None for _ in range(3)] == [False, False, True]


OPERATION: Operation[None] = Operation(
    name="a.b", method="POST", path="/a/{name}", decode=nothing, in_path=("name",), in_body=True, takes_key=True, refusals={}
)


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_value_that_would_name_another_thing_is_not_sent(value: str) -> None:
    with pytest.raises(ValueError, match="name: .* cannot stand in a path"):
        ask(OPERATION, {"name": value}, Call(), Options())


def test_a_path_holds_every_letter_and_headers_come_from_both() -> None:
    options = Options(headers={"X-Tenant-ID": "a", "X-Actor": "b"}, traceparent=lambda: "00-trace")
    sent = ask(OPERATION, {"name": "a/b?c é"}, Call(key="k", headers={"x-actor": "c"}), options)
    assert sent.path == "/a/a%2Fb%3Fc%20%C3%A9"
    assert {name: sent.headers[name] for name in ("x-tenant-id", "x-actor", "traceparent", "idempotency-key")} == {
        "x-tenant-id": "a",
        "x-actor": "c",
        "traceparent": "00-trace",
        "idempotency-key": "k",
    }


def test_each_command_has_a_key_of_its_own() -> None:
    keys = {ask(OPERATION, {"name": "a"}, Call(), Options()).key for _ in range(10)}
    assert len(keys) == 10 and all(uuid.UUID(key or "").version == 4 for key in keys)


@pytest.mark.parametrize(("version", "tag"), [(7, '"7"'), ("7", '"7"'), ('"7"', '"7"'), ("*", "*"), ('W/"7"', 'W/"7"')])
def test_a_version_becomes_an_entity_tag(version: int | str, tag: str) -> None:
    assert etag(version) == tag


def _refused(status: int, code: str = "a:b") -> Refused:
    return refused({}, status, f'{{"code": "{code}"}}'.encode(), "r", None)


KEYLESS: Operation[None] = Operation(name="a.c", method="POST", path="/", decode=nothing, refusals={})


@pytest.mark.parametrize(
    ("operation", "error", "again"),
    [
        (OPERATION, _refused(503), True),
        (OPERATION, _refused(504), True),
        (OPERATION, _refused(429), True),
        (OPERATION, _refused(500), False),
        (OPERATION, _refused(409), False),
        (OPERATION, _refused(409, "idempotency:in_flight"), True),
        (OPERATION, NoAnswer("cut", "r"), True),
        (KEYLESS, _refused(503), False),
        (KEYLESS, _refused(429), True),
        (KEYLESS, NoAnswer("cut", "r"), False),
        (KEYLESS, NoAnswer("nobody there", "r", sent=False), True),
    ],
)
def test_only_what_helps_and_cannot_harm_is_repeated(operation: Operation[None], error: Refused | NoAnswer, again: bool) -> None:
    assert repeatable(operation, error) is again


class Known(Refused):
    """Known."""

    code = "a:known"
    count: int


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b'{"code": "a:known", "count": 3}', Known, "a:known"),
        (b'{"code": "a:known"}', Refused, "a:known"),
        (b'{"code": "a:known", "count": "many"}', Refused, "a:known"),
        (b'{"code": "a:newer", "count": 3}', Refused, "a:newer"),
        (b"<html>Bad gateway</html>", Refused, ""),
        (b'["no object"]', Refused, ""),
        (b'{"code": 5}', Refused, ""),
    ],
)
def test_a_refusal_is_of_its_class_where_it_can_be_and_a_refusal_in_any_case(body: bytes, kind: type, code: str) -> None:
    error = refused({"a:known": Known}, 502, body, "r", None)
    assert (type(error), error.problem.code, error.problem.status) == (kind, code, 502)
    assert not isinstance(error, Known) or error.count == 3


def test_the_blocking_twin_waits_for_nothing() -> None:
    text = (
        "from asyncio import sleep\nfrom collections.abc import AsyncGenerator, Callable\n\n"
        "async def f() -> AsyncGenerator[list[int], None]:\n    async with a: await sleep(1)\n    await b.aclose()\n"
    )
    assert blocking(text) == (
        "from collections.abc import Callable, Generator\nfrom time import sleep\n\n"
        "def f() -> Generator[list[int], None, None]:\n    with a: sleep(1)\n    b.close()\n"
    )
