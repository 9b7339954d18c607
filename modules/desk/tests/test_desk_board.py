"""One answer from two neighbours: whole, with a gap that has a name, or a refusal."""

import asyncio
from typing import cast
from uuid import UUID, uuid4

import pytest

from armature import Context, Failure, Kind, Unavailable
from armature.testing import TestApp
from modules.counter.contract import Counter, CounterNotFound, Counters
from modules.desk.service import DeskService
from modules.quota.contract import Quotas, Usage

ID = UUID(int=1)
CTX = cast(Context, None)


class Late(Failure, kind=Kind.TIMEOUT, code="desk:late"):
    """It took too long."""


class Forbidden(Failure, kind=Kind.FORBIDDEN, code="desk:forbidden"):
    """Not for this caller."""


class Neighbours:
    """Two neighbours as their contracts allow them to be: each waits until both are asked, then answers or refuses."""

    def __init__(self, counter: Failure | None = None, usage: Failure | None = None) -> None:
        self._refusals = {"counter": counter, "usage": usage}
        self._both = asyncio.Barrier(2)

    def desk(self) -> DeskService:
        return DeskService(cast(Counters, self), cast(Quotas, self))

    async def get(self, ctx: Context, *, counter_id: UUID) -> Counter:
        await self._met("counter")
        return Counter(counter_id, "visits", None, 3, 4)

    async def usage(self, ctx: Context, *, counter_id: UUID) -> Usage:
        await self._met("usage")
        return Usage(counter_id, "visits", 3, 10, 3, 2, 5)

    async def _met(self, who: str) -> None:
        async with asyncio.timeout(10):
            await self._both.wait()
        refusal = self._refusals[who]
        if refusal is not None:
            raise refusal


async def test_both_are_asked_at_once() -> None:
    board = await Neighbours().desk().board(CTX, counter_id=ID)
    assert (board.counter.value, board.usage and board.usage.left, board.missing) == (3, 5, [])


@pytest.mark.parametrize("away", [Unavailable(what="quota"), Late()])
async def test_a_quota_that_is_away_is_a_gap_with_a_name(away: Failure) -> None:
    board = await Neighbours(usage=away).desk().board(CTX, counter_id=ID)
    assert (board.counter.value, board.usage, board.missing) == (3, None, ["quota"])


async def test_a_counter_that_is_away_is_a_refusal() -> None:
    with pytest.raises(Unavailable):
        await Neighbours(counter=Unavailable(what="counter")).desk().board(CTX, counter_id=ID)


async def test_a_refusal_of_the_quota_is_no_gap() -> None:
    with pytest.raises(Forbidden):
        await Neighbours(usage=Forbidden()).desk().board(CTX, counter_id=ID)


async def test_a_counter_that_never_was_is_refused_as_its_module_does() -> None:
    gone = CounterNotFound(counter_id=ID)
    with pytest.raises(CounterNotFound):
        await Neighbours(counter=gone, usage=gone).desk().board(CTX, counter_id=ID)


async def test_a_board_is_what_its_neighbours_say(app: TestApp) -> None:
    made = await app.call("counter.create", name="visits")
    without = (await app.get(f"/v1/desk/{made.id}")).json()
    assert (without["counter"]["name"], without["usage"], without["missing"]) == ("visits", None, [])
    await app.call("quota.set_limit", counter_id=made.id, allowed=10)
    await app.call("counter.increment", counter_id=made.id, by=4)
    await app.settled()
    board = (await app.get(f"/v1/desk/{made.id}")).json()
    assert (board["counter"]["value"], board["usage"]["used"], board["usage"]["left"]) == (4, 4, 6)
    refused = await app.get(f"/v1/desk/{uuid4()}")
    assert (refused.status, refused.code) == (404, "counter:not_found")


async def test_the_desk_shows_nobody_more_than_the_neighbours_would(app: TestApp) -> None:
    made = await app.call("counter.create", name="visits")
    await app.call("quota.set_limit", counter_id=made.id, allowed=10)
    assert (await app.get(f"/v1/desk/{made.id}", actor="ann", roles="desk.reader")).status == 200
    refused = await app.get(f"/v1/desk/{made.id}", actor="ann", roles="counter.reader,quota.reader")
    assert (refused.status, refused.problem()["permission"]) == (403, "desk:read")
    assert (await app.get(f"/v1/desk/{made.id}", tenant="acme")).code == "counter:not_found"
