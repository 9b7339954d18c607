"""A web process of the fleet that is killed in the middle of a command: who asks again with the same key has one effect, wherever
it died."""

import asyncio
import http.client
from pathlib import Path
from urllib.request import Request, urlopen

import msgspec
import pytest

from .process.fleet import Fleet
from .process.server import Server, until

pytestmark = pytest.mark.slow

PASSING = 6


def ask(port: int, path: str, body: bytes, number: int, attempt: str) -> tuple[int, dict[str, str], bytes]:
    """Ask with a key of its own; status 0 when the process died over it."""
    headers = {
        "content-type": "application/json",
        "idempotency-key": f"step-{number}",
        "x-request-id": f"step-{number}-{attempt}",
    }
    try:
        asked = Request(f"http://127.0.0.1:{port}{path}", body, headers, method="POST")
        with urlopen(asked, timeout=20) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, {}, b""


# What writes one row is its own transaction on the server, with no place in between; a transfer writes two.
@pytest.mark.parametrize(
    ("point", "there", "verb"),
    [
        ("commit.formed", False, "increment"),
        ("commit.written", False, "transfer"),
        ("commit.committed", True, "increment"),
        ("commit.committed", True, "transfer"),
    ],
    ids=["before its transaction", "in its transaction", "after its commit", "after the commit of two rows"],
)
async def test_a_web_process_killed_over_a_command_answers_the_second_time_as_it_would_have_the_first(
    fleet: Fleet, tmp_path: Path, point: str, there: bool, verb: str
) -> None:
    async with fleet.open("web", direct=True) as web:
        rich, grows = await web.counter("rich"), await web.counter("grows")
        assert (await web.post(f"{rich}/increment", json={"by": 1_000})).status == 200
    grown = grows.rpartition("/")[2]
    told = (
        (f"{rich}/transfer", msgspec.json.encode({"to": grown, "by": 1})) if verb == "transfer" else (f"{grows}/increment", b"{}")
    )
    await asyncio.to_thread(_story, fleet, tmp_path, told, grown, (point, there))


def _story(fleet: Fleet, folder: Path, told: tuple[str, bytes], grown: str, place: tuple[str, bool]) -> None:
    servers, (path, body), (point, there) = fleet.servers, told, place
    url = servers.postgres.url(fleet.database)
    addresses = {"POSTGRES_URL": url, "NATS_URL": servers.nats.url, "REDIS_URL": servers.redis.url}
    with Server(folder / "data", words=("--topology", "fleet", "--process", "web"), **addresses) as server:
        server.start(f"{point}:{PASSING}")
        assert not server.dead, "it died before anybody asked"
        number, status = 0, 200
        while status == 200:
            number += 1
            status, _, _ = ask(server.port, path, body, number, "first")
            assert number < 4 * PASSING, f"{point} is never passed"
        until(lambda: server.dead, "it did not die")
        assert status == 0
        before = int(servers.postgres.sql(f"select value from counter_counters where id = '{grown}'", fleet.database))
        assert before == (number if there else number - 1), "what was committed is not what the place says"
        server.start()
        status, headers, said = ask(server.port, path, body, number, "second")
        assert (status, headers.get("idempotent-replayed")) == (200, "true" if there else None)
        again = ask(server.port, path, body, number, "third")
        assert (again[0], again[1].get("idempotent-replayed"), again[2]) == (200, "true", said)
        after = int(servers.postgres.sql(f"select value from counter_counters where id = '{grown}'", fleet.database))
        assert after == number, "the second time had another effect than the first would have had"
        assert server.get("/livez")[0] == 200
