"""What one look at another process's log brings is bounded, and nothing is lost for it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest

from armature.engine.event_log import Identity, Logged
from armature.engine.feeds import Beginning
from armature.engine.live import News
from armature.engine.remote_feed import Looked, look
from armature.engine.remote_message import Ask

BYTES_MAX = 1_048_576
"""What NATS carries in one message unless it is told otherwise."""

UNASKED: Any = None
"""The feed and the call, which the shelf does not look at."""


class Shelf:
    """A log that has everything already, and shows all of it at once."""

    def __init__(self, events: list[Logged]) -> None:
        self._events = events

    async def begin(self, feed: Any, call: Any, arguments: dict[str, Any]) -> Beginning:
        return Beginning(Identity("log", 1), self._events[-1].position)

    async def follow(self, feed: Any, call: Any, arguments: dict[str, Any], after: int) -> AsyncGenerator[News, None]:
        yield News([one for one in self._events if one.position > after], self._events[-1].position + 5)


def event(position: int, payload: str) -> Logged:
    return Logged("t", position, bytes(16), "counter/1", position, 0, "", "counter.changed", payload)


async def seen(shelf: Shelf, until: int) -> list[list[int]]:
    """Look after look; return the positions that each of them brought."""
    found: list[list[int]] = []
    position, nothing = 0, msgspec.Raw(b"\x80")
    while position < until:
        ask = Ask("counter.events", "t", "", [], 5.0, request_id="r", correlation_id="r", arguments=nothing, look=position)
        told = await look(UNASKED, shelf, UNASKED, {}, ask)
        looked = msgspec.msgpack.decode(told.body, type=Looked)
        assert len(told.body) <= BYTES_MAX or len(looked.events) == 1
        found.append([one.position for one in looked.events])
        position = looked.position
    return found


@pytest.mark.parametrize(("letter", "each"), [("x", 300_000), ("\N{SNOWMAN}", 100_000)])
def test_large_events_come_in_several_looks_and_none_is_lost(letter: str, each: int) -> None:
    shelf = Shelf([event(position, letter * each) for position in range(1, 8)])
    assert asyncio.run(seen(shelf, 12)) == [[1, 2, 3], [4, 5, 6], [7]]


def test_an_event_that_is_too_large_by_itself_comes_alone() -> None:
    shelf = Shelf([event(1, "x"), event(2, "x" * 1_200_000), event(3, "x")])
    assert asyncio.run(seen(shelf, 8)) == [[1], [2], [3]]
