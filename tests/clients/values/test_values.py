"""Whatever value a contract can carry comes back as it went, whichever client sends it and wherever in a request it stands; and
is then what a caller within the process gets."""

import itertools
import json
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import strategies as st

from armature.testing.server import RunningServer
from tests.clients.hands import Hand, do, walk
from tests.clients.make import run
from tests.clients.values.asking import FIRST, HEARD, parsed, plain, same, some, told
from tests.clients.values.conftest import Inside
from tests.grpc_edge import values
from tests.grpc_edge.every_type import Colour, Grade

pytestmark = pytest.mark.slow

ID = UUID("01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b")
SAFE = st.sampled_from([0, 1, -1, 2**53 - 1, -(2**53) + 1]) | st.integers(-(2**53) + 1, 2**53 - 1)


async def test_things_through_the_python_clients(hand: Hand, server: RunningServer) -> None:
    kind = hand.package.mirror.Thing
    async with hand:
        mirror = hand.client(server.url).mirror
        for thing in some(values.things(), 150):
            got = await do(mirror.thing(thing=msgspec.convert(plain(thing), kind)))
            assert same(got, values.trimmed(plain(thing))), thing


def test_things_within_the_process(inside: Inside) -> None:
    for thing in some(values.things(), 50):
        assert same(inside("thing", thing=thing), thing)


def test_things_through_the_typescript_client(node: Path, server: RunningServer) -> None:
    things = [plain(one) for one in some(values.things(SAFE), 150)]
    answers = told(node, server.url, [("thing", {"thing": one}, {}) for one in things])
    for thing, answer in zip(things, answers, strict=True):
        assert answer == ["ok", values.trimmed(thing)]


def test_wide_whole_numbers_never_become_others_in_typescript(node: Path, server: RunningServer) -> None:
    """A float may be as wide as it likes; where one is meant for a whole number, the server refuses it."""
    thing = plain(some(values.things(SAFE), 1)[0])
    wide = [2**53, 10**17, 10**20, -(2**60)]
    calls: list[Any] = [("thing", {"thing": {**thing, "count": one}}, {}) for one in wide]
    calls += [("asked", {"number": one}, {}) for one in wide]
    assert [answer[0] for answer in told(node, server.url, calls)] == ["Invalid"] * len(wide) + ["TooWide"] * len(wide)
    calls = [("thing", {"thing": {**thing, "ratio": one}}, {}) for one in wide]
    calls += [("asked", {"ratio": one, "ratios": [one]}, {}) for one in wide]
    assert [answer[1]["ratio"] for answer in told(node, server.url, calls)] == [*wide, *wide]


PATHS = [text for text in values.ODD_TEXTS if "\0" not in text and text not in ("", ".", "..")]


async def test_texts_in_paths(hand: Hand, server: RunningServer) -> None:
    async with hand:
        mirror = hand.client(server.url).mirror
        for text in PATHS + [one for one in some(values.words, 100) if "\0" not in one and one not in ("", ".", "..")]:
            assert await do(mirror.text(one=text)) == text
        for one, two in itertools.product(PATHS[::4], PATHS[1::4]):
            got = await do(mirror.texts(one=one, two=two))
            assert (got.one, got.two) == (one, two)
        for text in ("", ".", ".."):
            with pytest.raises(ValueError, match="cannot stand in a path"):
                await do(mirror.text(one=text))


def test_texts_in_paths_from_typescript(node: Path, server: RunningServer) -> None:
    pairs = list(itertools.product(PATHS[::4], PATHS[1::4]))
    calls: list[Any] = [("text", {"one": text}, {}) for text in [*PATHS, "", ".", ".."]]
    calls += [("texts", {"one": one, "two": two}, {}) for one, two in pairs]
    answers = told(node, server.url, calls)
    assert answers[: len(PATHS)] == [["ok", text] for text in PATHS]
    assert [one[0] for one in answers[len(PATHS) : len(PATHS) + 3]] == ["RangeError"] * 3
    assert answers[len(PATHS) + 3 :] == [["ok", {"one": one, "two": two}] for one, two in pairs]


# A text of digits alone is read as a whole number first, and those have no zero with a sign.
PRICES = values.prices.filter(lambda price: str(price) != "-0")
NAMED = st.fixed_dictionaries(
    {
        "number": SAFE,
        "ratio": values.numbers,
        "price": PRICES,
        "at": values.moments,
        "colour": st.sampled_from(Colour),
        "grade": st.sampled_from(Grade),
        "blob": st.binary(min_size=1, max_size=6),
        "flag": st.booleans(),
    }
)
_OPTIONAL = {
    "text": values.texts,
    "number": st.none() | SAFE,
    "price": st.none() | PRICES,
    "at": st.none() | values.moments,
    "blob": st.none() | st.binary(max_size=6),
    "colour": st.none() | st.sampled_from(Colour),
    "grade": st.none() | st.sampled_from(Grade),
    "flag": st.booleans(),
    "some": st.lists(values.texts, max_size=3),
    "ids": st.lists(st.uuids(), max_size=3),
    "ratio": values.numbers,
    "ratios": st.lists(values.numbers, max_size=3),
    "change": values.texts,
}
ASKED = st.fixed_dictionaries({}, optional=_OPTIONAL)
LEFT_OUT: dict[str, Any] = {
    **dict.fromkeys(["text", "number", "price", "at", "blob", "colour", "grade"]),
    "ratio": 0.5,
    "flag": False,
    "some": [],
    "ids": [],
    "ratios": [],
}


async def test_values_in_paths_and_query_strings(hand: Hand, server: RunningServer, inside: Inside) -> None:
    made = hand.package.mirror
    async with hand:
        mirror = hand.client(server.url).mirror
        for arguments in some(NAMED, 100):
            theirs = {
                **arguments,
                "colour": made.Colour(arguments["colour"].value),
                "grade": made.Grade(arguments["grade"].value),
            }
            assert same(await do(mirror.named(**theirs)), arguments), arguments
        for arguments in some(ASKED, 200):
            expected = {**LEFT_OUT, **values.trimmed(plain(arguments))}
            assert same(await do(mirror.asked(**arguments)), expected), arguments


def test_values_in_paths_and_query_strings_from_typescript(node: Path, server: RunningServer) -> None:
    named, asked = [plain(one) for one in some(NAMED, 100)], [plain(one) for one in some(ASKED, 200)]
    answers = told(node, server.url, [("named", one, {}) for one in named] + [("asked", one, {}) for one in asked])
    assert answers == [["ok", one] for one in named] + [["ok", {**LEFT_OUT, **values.trimmed(one)}] for one in asked]


DECLINED = st.fixed_dictionaries(
    {
        "text": values.words,
        "number": SAFE,
        "ratio": values.numbers,
        "price": values.prices,
        "at": values.moments,
        "id": st.uuids(),
        "maybe": st.none() | st.sampled_from(["null", "", "true"]),
        "texts": st.dictionaries(values.texts, values.texts, max_size=3),
    }
)


async def test_values_in_refusals(hand: Hand, server: RunningServer) -> None:
    async with hand:
        mirror = hand.client(server.url).mirror
        for arguments in some(DECLINED, 100):
            with pytest.raises(hand.package.mirror.Declined) as caught:
                await do(mirror.decline(**arguments))
            got = {name: getattr(caught.value, name) for name in arguments}
            assert same(got, values.trimmed(plain(arguments))), arguments


def test_values_in_refusals_from_typescript(node: Path, server: RunningServer) -> None:
    every = [plain(one) for one in some(DECLINED, 100)]
    answers = told(node, server.url, [("decline", one, {}) for one in every])
    assert [(one[0], one[2]) for one in answers] == [("Declined", values.trimmed(one)) for one in every]


SAID = st.fixed_dictionaries(
    {
        "text": values.texts,
        "ratio": values.numbers,
        "price": values.prices,
        "texts": st.dictionaries(values.texts, values.texts, max_size=3),
    }
)


async def test_values_in_events(hand: Hand, server: RunningServer, node: Path) -> None:
    every = some(SAID, 60)
    expected = [{"id": str(ID), **values.trimmed(plain(one))} for one in every]
    headers = {"x-tenant-id": f"events-{hand.kind}"}
    async with hand:
        mirror = hand.client(server.url, headers=headers).mirror
        with hand.package.Client(server.url, hand.package.Options(headers=headers)) as writer:
            begin = await _beginning(mirror, writer)
            for one in every:
                writer.mirror.say(id=ID, **one)
        heard: list[Any] = []
        async for happened in walk(mirror.heard(id=ID, after=begin)):
            if happened.event.text != FIRST:
                heard.append(happened.event)
            if len(heard) == len(every):
                break
        assert all(same(got, one) for got, one in zip(heard, expected, strict=True))
    (node / "heard.js").write_text(HEARD)
    code, told = run(["node", "heard.js", server.url, json.dumps(headers), begin, str(len(every)), FIRST], node)
    assert code == 0, told
    assert parsed(told) == expected


async def _beginning(mirror: Any, writer: Any) -> str:
    """The id of an event: a stream begins when it is open, so something is said until somebody hears it."""
    heard = threading.Event()

    def speak() -> None:
        while not heard.is_set():
            writer.mirror.say(id=ID, text=FIRST, ratio=1.0, price=Decimal(1), texts={})

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        async for happened in walk(mirror.heard(id=ID)):
            found: str = happened.id
            return found
        raise AssertionError("the feed ended")
    finally:
        heard.set()
        thread.join()
