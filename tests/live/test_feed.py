"""Live events of a counter over a socket: from now on or after an id, each once, in order, for who may see them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from armature.edges.http.server import HttpServer
from armature.engine.policies import HttpPolicy
from armature.testing.app import TestApp

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 20.0


class Stream:
    """One client of a feed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self.last_id = ""
        self.retry = ""
        self.left = b""

    async def head(self) -> None:
        raw = (await self._within(self._reader.readuntil(b"\r\n\r\n"))).decode()
        first, *lines = raw.strip().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in lines)

    async def body(self) -> bytes:
        return await self._within(self._reader.readexactly(int(self.headers["content-length"])))

    async def event(self) -> dict[str, Any] | None:
        """The next event; None at the end of the stream."""
        async with asyncio.timeout(SECONDS_MAX):
            return await self._event()

    async def _event(self) -> dict[str, Any] | None:
        while True:
            block = await self._block()
            if block is None:
                return None
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if line)
            self.last_id = fields.get("id", self.last_id)
            self.retry = fields.get("retry", self.retry)
            if "data" in fields:
                return {"type": fields["event"], **msgspec.json.decode(fields["data"])}

    async def _block(self) -> bytes | None:
        while b"\n\n" not in self.left:
            size = int((await self._within(self._reader.readuntil(b"\r\n"))).strip(), 16)
            piece = await self._within(self._reader.readexactly(size + 2))
            if not size:
                return None
            self.left += piece[:-2]
        block, _, self.left = self.left.partition(b"\n\n")
        return block

    async def _within(self, asked: Any) -> bytes:
        async with asyncio.timeout(SECONDS_MAX):
            return bytes(await asked)

    def close(self) -> None:
        self._writer.close()


class Node:
    """One process with a socket."""

    def __init__(self, app: TestApp, server: HttpServer) -> None:
        self.app = app
        self.server = server
        self._streams: list[Stream] = []

    async def stream(self, path: str, method: str = "GET", **headers: str) -> Stream:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        lines = [f"{method} {path} HTTP/1.1", "Host: here"] + [
            f"{name.replace('_', '-')}: {one}" for name, one in headers.items()
        ]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        stream = Stream(reader, writer)
        self._streams.append(stream)
        await stream.head()
        return stream

    def close(self) -> None:
        for one in self._streams:
            one.close()


@asynccontextmanager
async def node(environ: Mapping[str, str] | None = None, ports: Mapping[type, object] | None = None) -> AsyncIterator[Node]:
    async with TestApp(ROOT, environ=environ, ports=ports) as app:
        server = HttpServer(app.system.app, HttpPolicy(port=0, drain_seconds=5.0))
        await server.start()
        here = Node(app, server)
        try:
            yield here
        finally:
            here.close()
            await server.stop()


async def made(here: Node, name: str = "visits", **who: Any) -> str:
    answer = await here.app.post("/v1/counters", json={"name": name}, **who)
    return str(answer.json()["id"])


def path(counter: str) -> str:
    return f"/v1/counters/{counter}/events"


async def moved(here: Node, counter: str, by: int, **who: Any) -> None:
    answer = await here.app.post(f"/v1/counters/{counter}/increment", json={"by": by}, **who)
    assert answer.status == 200


async def test_a_follower_hears_what_happens_to_its_counter_and_to_no_other() -> None:
    async with node() as here:
        mine, other = await made(here), await made(here, "other")
        stream = await here.stream(path(mine))
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        for by in (1, 2, 3):
            await moved(here, other, 100)
            await moved(here, mine, by)
        heard = [await stream.event() for _ in range(3)]
        assert [(one["type"], one["delta"], one["version"]) for one in heard if one] == [
            ("counter.changed", 1, 2),
            ("counter.changed", 2, 3),
            ("counter.changed", 3, 4),
        ]
        await here.app.delete(f"/v1/counters/{mine}")
        assert (await stream.event() or {})["type"] == "counter.deleted"
        assert stream.retry == "2000"


async def test_who_comes_back_with_the_last_id_misses_nothing_and_hears_nothing_twice() -> None:
    async with node() as here:
        mine = await made(here)
        stream = await here.stream(path(mine))
        heard = []
        for by in range(1, 11):
            await moved(here, mine, by)
            if by % 3 == 0:
                # Left in the middle of what there is to hear.
                heard.append(await stream.event())
                stream.close()
                stream = await here.stream(path(mine), last_event_id=stream.last_id)
        while len(heard) < 10:
            heard.append(await stream.event())
        assert [one["delta"] for one in heard if one] == list(range(1, 11))


async def test_an_id_given_before_any_event_resumes_too() -> None:
    async with node() as here:
        mine = await made(here)
        stream = await here.stream(path(mine))
        block = await stream._block()
        assert block is not None
        first = dict(line.split(": ") for line in block.decode().split("\n"))["id"]
        stream.close()
        await moved(here, mine, 7)
        again = await here.stream(path(mine), last_event_id=first)
        assert (await again.event() or {})["delta"] == 7


async def test_a_thing_that_does_not_exist_and_another_tenants_are_equally_silent() -> None:
    async with node() as here:
        mine = await made(here, tenant="acme")
        spy = await here.stream(path(mine), x_tenant_id="rival")
        own = await here.stream(path(mine), x_tenant_id="acme")
        nothing = await here.stream(path("0198c9a5-0000-7000-8000-000000000000"), x_tenant_id="rival")
        await moved(here, mine, 5, tenant="acme")
        assert (await own.event() or {})["delta"] == 5
        await here.server.drain()
        assert (spy.status, nothing.status) == (200, 200)
        assert (await spy.event(), await nothing.event()) == (None, None)


async def test_a_foreign_id_is_refused() -> None:
    async with node() as here:
        mine, other = await made(here), await made(here, "other")
        stream = await here.stream(path(mine))
        await moved(here, mine, 1)
        await stream.event()
        for where, last, who in (
            (other, stream.last_id, "public"),
            (mine, stream.last_id, "rival"),
            (mine, "made-up", "public"),
        ):
            refused = await here.stream(path(where), last_event_id=last, x_tenant_id=who)
            assert refused.status == 422
            assert b"Last-Event-ID" in await refused.body()


async def test_who_may_not_read_counters_may_not_follow_one() -> None:
    async with node() as here:
        mine = await made(here)
        assert (await here.stream(path(mine), x_actor="none")).status == 401
        assert (await here.stream(path(mine), x_actor="ann", x_roles="nobody")).status == 403
        assert (await here.stream(path(mine), x_actor="ann", x_roles="counter.reader")).status == 200
        assert (await here.stream(path("no-id"))).status == 422
        assert (await here.stream(path(mine) + "?limit=3")).status == 422
        assert (await here.stream(path(mine), method="DELETE")).status == 405


async def test_more_streams_than_the_process_serves_are_refused_until_one_ends() -> None:
    async with node({"ARMATURE_HTTP__STREAMS_MAX": "1"}) as here:
        mine = await made(here)
        stream = await here.stream(path(mine))
        refused = await here.stream(path(mine))
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        stream.close()
        async with asyncio.timeout(SECONDS_MAX):
            while (await here.stream(path(mine))).status != 200:  # noqa: ASYNC110  (nobody announces it)
                await asyncio.sleep(0.01)


async def test_a_process_that_leaves_ends_its_streams_with_a_hint() -> None:
    async with node() as here:
        mine = await made(here)
        stream = await here.stream(path(mine))
        await moved(here, mine, 1)
        assert (await stream.event() or {})["delta"] == 1
        stream.retry = ""
        assert await here.server.drain() == 0
        assert await stream.event() is None
        assert stream.retry == "2000"


async def test_a_client_that_left_holds_no_stream() -> None:
    async with node() as here:
        stream = await here.stream(path(await made(here)))
        assert here.server.running == 1
        stream.close()
        async with asyncio.timeout(SECONDS_MAX):
            while here.server.running:  # noqa: ASYNC110  (nobody announces it)
                await asyncio.sleep(0.01)
