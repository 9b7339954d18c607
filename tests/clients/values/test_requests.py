"""What a request cannot say is refused, by the client before it is sent or by the edge, and never taken for something else."""

from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from armature.testing.server import RunningServer
from tests.clients.hands import Hand, do
from tests.clients.values.asking import told

pytestmark = pytest.mark.slow

ID = UUID("01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b")

KEYS = ["k", "a b", '"', '"x', "\\", "%2F", "__proto__", "~!@#$%^&*()_+{}|:<>?", "k" * 255]


async def test_keys_of_any_printable_characters(hand: Hand, server: RunningServer) -> None:
    package = hand.package
    async with hand:
        mirror = hand.client(server.url, headers={"x-tenant-id": f"keys-{hand.kind}"}).mirror
        said: dict[str, Any] = {"id": ID, "ratio": 1.0, "price": Decimal(1), "texts": {}}
        for key in KEYS:
            heard: list[Any] = []
            for _ in range(2):
                await do(mirror.say(text=key, call=package.Call(key=key, told=heard.append), **said))
            assert [answered.replayed for answered in heard] == [False, True], key
        for key in ("", "k" * 256):
            with pytest.raises(package.refusals.Invalid, match="request:invalid"):
                await do(mirror.say(text="", call=package.Call(key=key), **said))
        for key in ("\u00e9", "\u05e9", "a\nb", "\0", "\U0001f600"):
            with pytest.raises(ValueError, match="idempotency-key: a header holds printable ASCII only"):
                await do(mirror.say(text="", call=package.Call(key=key), **said))


def test_keys_of_any_printable_characters_from_typescript(node: Path, server: RunningServer) -> None:
    said = {"id": str(ID), "text": "", "ratio": 1.0, "price": "1", "texts": {}}
    sound, unsound = KEYS, ["\u00e9", "\u05e9", "a\nb", "\0", "\U0001f600"]
    answers = told(node, server.url, [("say", said, {"key": key}) for key in [*sound, "", "k" * 256, *unsound]])
    assert [one[0] for one in answers] == ["ok"] * len(sound) + ["Invalid"] * 2 + ["RangeError"] * len(unsound)


UNSAID: dict[str, Any] = {"ratio": None, "change": None, "tags": [], "limit": None}


async def test_what_a_request_cannot_say_is_refused_before_it_is_sent(hand: Hand, server: RunningServer) -> None:
    async with hand:
        mirror = hand.client(server.url).mirror
        for name, value in UNSAID.items():
            with pytest.raises(ValueError, match=f"{name}: a query string cannot say"):
                await do(mirror.defaults(**{name: value}))
        for number in (float("nan"), float("inf")):
            with pytest.raises(ValueError, match=r"texts.a: (nan|inf) is no number in JSON"):
                await do(mirror.maybe(texts={"a": number}))


def test_what_a_request_cannot_say_is_refused_before_it_is_sent_from_typescript(node: Path, server: RunningServer) -> None:
    answers = told(node, server.url, [("defaults", {name: value}, {}) for name, value in UNSAID.items()])
    assert [one[0] for one in answers] == ["RangeError"] * len(UNSAID)


BEYOND = [
    ("number=9223372036854775808", "number", "expected a whole number of 64 bits"),
    ("number=-9223372036854775809", "number", "expected a whole number of 64 bits"),
    ("ratio=nan", "ratio", "expected a finite number"),
    ("ratios=1&ratios=inf", "ratios.1", "expected a finite number"),
    ("price=NaN", "price", "expected a finite number"),
    ("price=-Infinity", "price", "expected a finite number"),
    ("at=2026-01-31T12:00:00", "at", "expected a time with its offset, as 2026-01-31T12:00:00Z"),
    ("at=0001-01-01T00:00:00%2B05:00", "at", "expected a time of the years 1 to 9999 in UTC"),
]


@pytest.mark.parametrize(("query", "path", "message"), BEYOND)
def test_what_no_store_can_hold_is_refused(server: RunningServer, query: str, path: str, message: str) -> None:
    answer = server.get(f"/v1/mirror/asked?{query}")
    assert (answer.status, answer.json()["errors"]) == (422, [{"path": path, "message": message}])


@pytest.mark.parametrize("inner", ["{}", '{"texts":{"a":" b"}}', '{"texts":{"a":"\\n"}}'])
@pytest.mark.parametrize("depth", [300, 600, 20_000])
def test_what_is_nested_too_deeply_is_refused(server: RunningServer, depth: int, inner: str) -> None:
    body = '{"tree":' + '{"below":[' * depth + inner + "]}" * depth + "}"
    answer = server.request("POST", "/v1/mirror/trees", body=body.encode(), headers={"content-type": "application/json"})
    assert (answer.status, answer.json()["reason"]) == (400, "the body is nested too deeply to be read")


def test_trees_of_a_hundred_levels(server: RunningServer) -> None:
    body = '{"tree":' + '{"below":[' * 100 + '{"texts":{"a":" b"}}' + "]}" * 100 + "}"
    answer = server.request("POST", "/v1/mirror/trees", body=body.encode(), headers={"content-type": "application/json"})
    assert answer.status == 200 and answer.body.count(b'"below":[') == 101


def test_a_slash_within_a_segment_leads_to_no_other_operation(server: RunningServer) -> None:
    assert server.get("/v1/mirror/texts/a%2Fb").json() == "a/b"
    assert server.get("/v1/mirror/texts/a%2fb/c").json() == {"one": "a/b", "two": "c"}
    assert server.get("/v1/mirror%2Ftexts/a").status == 404
