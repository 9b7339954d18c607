"""Feeds over gRPC: from now on or after a cursor, each event once, in order, for who may see them."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc import aio

from armature.edges.grpc import streaming
from tests.edges.wire import until
from tests.grpc_edge.conftest import Open, Site
from tests.grpc_edge.refusal import refused
from tests.grpc_edge.rig import address

SECONDS_MAX = 20.0


class Follower:
    """One open stream."""

    def __init__(self, site: Site, counter: str, after: str | None = None, **metadata: str) -> None:
        request = site.messages.EventsRequest(counter_id=counter, after=after)
        self.call: Any = site.counters.Events(request, metadata=tuple(metadata.items()))
        self.cursor = ""

    async def item(self) -> Any:
        """The next item; None at the end of the stream."""
        async with asyncio.timeout(SECONDS_MAX):
            item = await self.call.read()
        if item is grpc.aio.EOF:
            return None
        self.cursor = item.cursor
        return item

    async def event(self) -> tuple[str, Any]:
        """The next event, by its name and what it holds."""
        while True:
            item = await self.item()
            assert item is not None, "the stream has ended"
            if (name := item.WhichOneof("event")) is not None:
                return name, getattr(item, name)


async def _made(site: Site, name: str = "visits") -> str:
    return str((await site.counters.Create(site.messages.CreateRequest(name=name))).id)


async def _moved(site: Site, counter: str, by: int) -> None:
    await site.counters.Increment(site.messages.IncrementRequest(counter_id=counter, by=by))


async def test_a_stream_begins_now_and_tells_what_comes(site: Open) -> None:
    async with site() as found:
        counter, other = await _made(found), await _made(found, "other")
        follower = Follower(found, counter)
        first = await follower.item()
        assert first.cursor and first.WhichOneof("event") is None
        await _moved(found, other, 1)
        await _moved(found, counter, 2)
        name, event = await follower.event()
        assert (name, event.counter_id, event.delta, event.value) == ("counter_changed", counter, 2, 2)
        await found.counters.Delete(found.messages.DeleteRequest(counter_id=counter))
        assert (await follower.event())[0] == "counter_deleted"


async def test_a_stream_resumes_after_what_was_seen(site: Open) -> None:
    async with site() as found:
        counter = await _made(found)
        follower = Follower(found, counter)
        await follower.item()
        for by in (1, 2, 3):
            await _moved(found, counter, by)
        assert (await follower.event())[1].delta == 1
        follower.call.cancel()
        again = Follower(found, counter, follower.cursor)
        assert [(await again.event())[1].delta for _ in range(2)] == [2, 3]


async def test_a_cursor_of_one_edge_is_good_on_the_other(site: Open) -> None:
    async with site() as found:
        counter = await _made(found)
        follower = Follower(found, counter)
        start = await follower.item()
        await _moved(found, counter, 7)
        sent = await found.rest.get(f"/v1/counters/{counter}/events", headers={"last-event-id": "nonsense"})
        assert sent.status == 422
        live = found.system.apps.live
        await until(lambda: live.open == 1)
        assert (await Follower(found, counter, start.cursor).event())[1].delta == 7


async def test_a_cursor_of_another_stream_is_refused(site: Open) -> None:
    async with site() as found:
        one, other = await _made(found), await _made(found, "other")
        follower = Follower(found, one)
        await follower.item()
        strange = await refused(Follower(found, other, follower.cursor).item())
        assert strange.code is grpc.StatusCode.INVALID_ARGUMENT
        assert [violation.field for violation in strange.bad.field_violations] == ["after"]


async def test_who_may_not_see_is_refused(site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_HEARTBEAT_SECONDS", 0.0)
    async with site() as found:
        counter = await _made(found)
        nobody = await refused(Follower(found, counter, **{"x-actor": "none"}).item())
        assert nobody.code is grpc.StatusCode.UNAUTHENTICATED
        stranger, own = Follower(found, counter, **{"x-tenant-id": "acme"}), Follower(found, counter)
        await asyncio.gather(stranger.item(), own.item())
        await _moved(found, counter, 1)
        await own.event()
        # What is of another tenant is a stream without events: it lives, and says nothing.
        assert [(await stranger.item()).WhichOneof("event") for _ in range(2)] == [None, None]


async def test_places_for_streams_are_shared_and_given_back(site: Open) -> None:
    async with site(HTTP__STREAMS_MAX="1") as found:
        counter = await _made(found)
        follower = Follower(found, counter)
        await follower.item()
        full = await refused(Follower(found, counter).item())
        assert (full.code, full.info.reason) == (grpc.StatusCode.UNAVAILABLE, "system:overloaded")
        follower.call.cancel()
        await until(lambda: found.system.apps.live.open == 0)
        assert (await Follower(found, counter).item()).cursor


async def test_a_quiet_stream_shows_that_it_lives(site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_HEARTBEAT_SECONDS", 0.0)
    async with site() as found:
        follower = Follower(found, await _made(found))
        items = [await follower.item() for _ in range(3)]
        assert all(item.cursor and item.WhichOneof("event") is None for item in items)


async def test_an_old_stream_ends_without_error(site: Open) -> None:
    async with site(GRPC__STREAM_AGE_SECONDS="0.05") as found:
        follower = Follower(found, await _made(found))
        assert await follower.item() is not None
        while await follower.item() is not None:
            continue
        assert await follower.call.code() is grpc.StatusCode.OK


@pytest.mark.slow
async def test_a_client_that_does_not_read_is_cut(site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_WRITE_SECONDS", 0.2)
    async with site() as found:
        counter = await _made(found)
        follower = Follower(found, counter)
        begin = (await follower.item()).cursor
        follower.call.cancel()
        for _ in range(100):
            await asyncio.gather(*[_moved(found, counter, 1) for _ in range(20)])
        # What grpc takes for a stream whose client reads nothing: a window, which here does not grow.
        narrow = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1_024), ("grpc.use_local_subchannel_pool", 1)]
        async with aio.insecure_channel(address(found.system), options=narrow) as channel:
            request = found.messages.EventsRequest(counter_id=counter, after=begin)
            asked = channel.unary_stream("/counter.v1.Counters/Events", lambda one: one.SerializeToString())(request)
            live = found.system.apps.live
            await until(lambda: live.open == 1)
            await until(lambda: live.open == 0)
            asked.cancel()
