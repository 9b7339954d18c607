"""A COMMIT whose answer is lost, seen by an HTTP caller of the whole system: told as it is, or as unknown, never as a refusal.

The server commits each time; only what the caller may know differs.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from armature.adapters.postgres import uncertain
from armature.testing.answer import Response
from armature.testing.faults import Pass, Refuse, TcpProxy
from armature.testing.faults.link import Flow, Mode
from armature.testing.servers import LocalPostgres

from .process.patience import PATIENCE_SECONDS, eventually
from .process.whole import Whole, through, whole

pytestmark = pytest.mark.slow


NAMES = (b"{c}", b'{"c"}')
"""The counter's name as one of the values of a statement that commits by itself; events and answers hold it otherwise."""


class LoseCommit(Mode, frozen=True):
    """On its connection everything passes, but for the answer to the next COMMIT, or to a statement that is one."""

    said: list[bytes]

    async def carry(self, flow: Flow, piece: bytes) -> bytes:
        """Hold back what the server says once the client has said COMMIT."""
        if flow.side == "client":
            if b"commit\0" in piece.lower() or any(name in piece for name in NAMES):
                self.said.append(piece)
            await flow.send(piece)
        elif self.said:
            flow.link.counts["LoseCommit"] += 1
        else:
            await flow.send(piece)
        return b""


@pytest.fixture
def proxy(postgres: LocalPostgres) -> Iterator[TcpProxy]:
    with TcpProxy(postgres.port) as running:
        yield running


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody will be there to be asked; do not wait long for him."""
    monkeypatch.setattr(uncertain, "_PATIENCE_SECONDS", 0.3)


async def lost(there: Whole, proxy: TcpProxy, path: str, headers: dict[str, str], *, for_good: bool = True) -> Response:
    """Ask for a step and lose the answer to its COMMIT; afterwards the server is away, or only the connection."""
    name = headers["x-request-id"].encode()
    # The event carries it, so this is the connection of the unit.
    await asyncio.to_thread(proxy.when, name, LoseCommit([]), before=True)
    asked = asyncio.create_task(there.post(path, json={"by": 1}, headers=headers))
    await asyncio.to_thread(proxy.wait, LoseCommit, seconds=PATIENCE_SECONDS)
    await asyncio.to_thread(proxy.switch, Refuse())
    if not for_good:
        await asyncio.to_thread(proxy.switch, Pass())
    answer = await asked
    assert proxy.counts["LoseCommit"] >= 1
    return answer


async def soon(there: Whole, path: str, headers: dict[str, str]) -> Response:
    """Ask again until the database is there again."""

    async def asked() -> Response | None:
        answer = await there.post(path, json={"by": 1}, headers=headers)
        return answer if answer.status != 503 else None

    answer = await eventually(asked, "the database never comes back")
    assert answer is not None
    return answer


async def value(postgres: LocalPostgres, url: str) -> int:
    return int(await asyncio.to_thread(postgres.sql, "select sum(value) from counter_counters", url.rpartition("/")[2]))


@pytest.mark.parametrize("key", [None, "k1"], ids=["without a key", "with a key"])
@pytest.mark.parametrize("hot", [False, True], ids=["cold row", "hot row"])
async def test_an_outcome_nobody_knows_is_told_as_unknown(
    postgres: LocalPostgres, ready_url: str, proxy: TcpProxy, tmp_path: Path, key: str | None, hot: bool
) -> None:
    async with whole(through(ready_url, proxy.port), tmp_path, ARMATURE_COMMANDS__HOT_ROW_SECONDS="60") as there:
        path = f"{await there.counter()}/increment"
        assert (await there.post(path, json={"by": 1})).status == 200
        if hot:
            steps = await asyncio.gather(*(there.post(path, json={"by": 1}) for _ in range(40)))
            assert {step.status for step in steps} == {200}
        before = await value(postgres, ready_url)
        headers = {"x-request-id": "lost-commit"} | ({"idempotency-key": key} if key else {})
        told = await lost(there, proxy, path, headers)
        assert (told.status, told.json()["code"]) == (503, "commit:unknown"), told.body
        await asyncio.to_thread(proxy.switch, Pass())
        assert await value(postgres, ready_url) == before + 1, "it was committed, and the caller was told so truly"
        if key:
            again = await soon(there, path, headers)
            assert (again.status, again.headers.get("idempotent-replayed")) == (200, "true"), again.body
            assert again.json()["value"] == before + 1


@pytest.mark.parametrize("key", [None, "k1"], ids=["without a key", "with a key"])
async def test_where_the_server_can_be_asked_the_caller_is_told_what_happened(
    postgres: LocalPostgres, ready_url: str, proxy: TcpProxy, tmp_path: Path, key: str | None
) -> None:
    async with whole(through(ready_url, proxy.port), tmp_path) as there:
        path = f"{await there.counter()}/increment"
        headers = {"x-request-id": "lost-commit"} | ({"idempotency-key": key} if key else {})
        told = await lost(there, proxy, path, headers, for_good=False)
        assert (told.status, told.json()["value"]) == (200, 1), told.body
        assert await value(postgres, ready_url) == 1
