"""The matrix of keys (I4): each way to use one wrongly has its own answer, none is a 5xx, and no tenant sees another's."""

import asyncio

import pytest

from tests.faults.process.load import create
from tests.faults.process.server import Server
from tests.faults.process.wire import Answered, Line

FIRST = {"idempotency-key": "k"}
SENT = b'{"by":2}'

Case = tuple[str, dict[str, str], bytes, int, str | None]

MATRIX: list[Case] = [
    ("the same again", FIRST, SENT, 200, "true"),
    ("quoted", {"idempotency-key": '"k"'}, SENT, 200, "true"),
    ("other content", FIRST, b'{"by":3}', 422, None),
    ("same content, other bytes", FIRST, b'{ "by": 2 }', 422, None),
    ("other key", {"idempotency-key": "k2"}, SENT, 200, None),
    ("no key", {}, SENT, 200, None),
    ("empty key", {"idempotency-key": ""}, SENT, 422, None),
    ("long key", {"idempotency-key": "x" * 256}, SENT, 422, None),
    ("the same for another actor without permission", {**FIRST, "x-actor": "ann"}, SENT, 403, None),
    ("the same for another actor", {**FIRST, "x-actor": "ann", "x-roles": "counter.writer"}, SENT, 200, None),
    ("the same for nobody", {**FIRST, "x-actor": "none"}, SENT, 401, None),
    ("the same in another tenant", {**FIRST, "x-tenant-id": "other"}, SENT, 404, None),
    ("stale If-Match, but done already", {**FIRST, "if-match": '"1"'}, SENT, 200, "true"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answered]:
    """Every case in its order, after the first call, against one real server."""
    with Server(tmp_path_factory.mktemp("keys") / "data") as server:
        server.start()
        (counter,) = create(server, 1)

        async def story() -> dict[str, Answered]:
            line = Line(server.port)
            path = f"/v1/counters/{counter}/increment"
            answers = {"first": await line.request("POST", path, FIRST, SENT)}
            for name, headers, body, _, _ in MATRIX:
                answers[name] = await line.request("POST", path, headers, body)
            line.close()
            return answers

        return asyncio.run(story())


@pytest.mark.slow
@pytest.mark.parametrize(("name", "headers", "body", "status", "replayed"), MATRIX, ids=[case[0] for case in MATRIX])
def test_each_use_of_a_key_has_its_answer(
    told: dict[str, Answered], name: str, headers: dict[str, str], body: bytes, status: int, replayed: str | None
) -> None:
    answer, first = told[name], told["first"]
    assert answer.status == status, answer
    assert answer.headers.get("idempotent-replayed") == replayed
    if replayed:
        assert (answer.body, answer.headers["etag"]) == (first.body, first.headers["etag"])
    elif status == 200:
        assert answer.body != first.body
