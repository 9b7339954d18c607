"""A refusal has a code, the same on both edges, and tells nothing of the inside: no trace, no SQL, no path, no secret (I34)."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import apsw
from grpc import aio
from msgspec import Struct

from armature.testing.client import Client
from tests.grpc_edge.conftest import Levers, OpenLevers
from tests.grpc_edge.refusal import Refused
from tests.grpc_edge.rig import KEY

NOBODY = "01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b"
INSIDE = re.compile(
    rf"""Traceback|\bFile\b|\.py\b|\bline\ \d|{KEY}|/tmp/|\.db\b   # traces, secrets, paths
    |\bselect\b|\binsert\b|\bupdate\b|\bdelete\b|lever_levers|no\ such|sqlite|apsw|armature_  # what is kept, and where
    |Error\b|msgspec|asyncio|words\ of\ a\ bug""",
    re.IGNORECASE | re.VERBOSE,
)


class Told(Struct):
    """What a caller hears: the refusal's code, and everything else as text."""

    code: str
    text: str


class Edges:
    """One process, asked over REST and over gRPC."""

    def __init__(self, levers: Levers) -> None:
        self._rest = Client()
        self._rest.asgi = levers.system.app
        self._channel: Any = levers.channel

    async def refused(self, method: str, path: str, call: str, content: bytes, **said: str) -> tuple[Told, Told]:
        """Return how both edges refuse the same wish, of a caller of whom `said` tells by header."""
        headers = {name.replace("_", "-"): value for name, value in said.items()}
        answer = await self._rest.request(method, f"/v1{path}", headers=headers)
        rest = Told(answer.code, answer.body.decode() + str(answer.headers))
        return rest, await self._grpc(call, content, headers)

    async def _grpc(self, call: str, content: bytes, headers: Mapping[str, str]) -> Told:
        try:
            await self._channel.unary_unary(f"/lever.v1.Levers/{call}")(content, metadata=tuple(headers.items()))
        except aio.AioRpcError as error:
            heard = Refused(error)
            return Told(heard.info.reason, f"{heard.text} {heard.status} {error.initial_metadata()} {error.trailing_metadata()}")
        raise AssertionError(f"{call} was answered")


def named(lever: str) -> bytes:
    """A request about a lever."""
    return b"\x0a" + bytes([len(lever)]) + lever.encode()


@asynccontextmanager
async def open_edges(levers: OpenLevers, **policies: str) -> AsyncIterator[Edges]:
    async with levers(**policies) as found:
        yield Edges(found)


async def test_every_refusal_has_one_code_on_both_edges_and_tells_nothing_of_the_inside(
    levers: OpenLevers, tmp_path: Path
) -> None:
    async with open_edges(levers, HTTP__ERROR_DETAILS="false") as edges:
        heard = {
            "lever:none": await edges.refused("GET", f"/levers/{NOBODY}", "Get", named(NOBODY)),
            "request:invalid": await edges.refused("GET", "/levers/nonsense", "Get", named("nonsense")),
            "auth:forbidden": await edges.refused("GET", "/bug", "Bug", b"", x_actor="ann", x_roles="none"),
            "auth:unauthenticated": await edges.refused("GET", "/bug", "Bug", b"", x_actor="none"),
            "system:deadline": await edges.refused("GET", "/patient", "Patient", b""),
            "system:bug": await edges.refused("GET", "/bug", "Bug", b""),
        }
        with closing(apsw.Connection(str(tmp_path / "data" / "armature.db"))) as db:
            db.set_busy_timeout(5_000)
            db.execute("alter table lever_levers rename to lever_gone")
        broken = await edges.refused("GET", f"/levers/{NOBODY}", "Get", named(NOBODY))
    assert {code: [one.code for one in told] for code, told in heard.items()} == {code: [code] * 2 for code in heard}
    assert broken[0].code == broken[1].code == "system:bug"
    assert [
        (one.code, found[0]) for told in (*heard.values(), broken) for one in told if (found := INSIDE.findall(one.text))
    ] == []


async def test_what_would_be_found_in_a_refusal_is_found_where_details_are_shown(levers: OpenLevers) -> None:
    async with open_edges(levers, HTTP__ERROR_DETAILS="true") as edges:
        for told in await edges.refused("GET", "/bug", "Bug", b""):
            assert INSIDE.search(told.text), told
