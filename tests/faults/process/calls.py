"""Callers of systems in this process: each goes on with an intent until it has a verdict, and keeps what it was told."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from armature.testing.answer import Response
from armature.testing.history import Happened

from .patience import PATIENCE_SECONDS
from .whole import Whole

__all__ = ["Calls", "calling"]

_PAUSE_SECONDS = 0.02
_KEPT = ("etag", "location", "armature-position", "content-type")


class Calls:
    """`history` as the judges read it; `statuses` counts every answer."""

    def __init__(self, nodes: Sequence[Whole], paths: Sequence[str], seed: int) -> None:
        self.history: list[Happened] = []
        self.acknowledged = 0
        self.refused: set[tuple[int, str]] = set()
        """Status and code of every answer that said no."""
        self.paths = list(paths)
        self._nodes = list(nodes)
        self._dice = random.Random(seed)
        self._over = asyncio.Event()
        self._moved = asyncio.Event()

    async def more(self, count: int) -> None:
        """Return when so many more were acknowledged."""
        goal = self.acknowledged + count
        async with asyncio.timeout(PATIENCE_SECONDS * 2):
            while self.acknowledged < goal:
                self._moved.clear()
                await self._moved.wait()

    def end(self) -> None:
        """Let every caller finish what it began."""
        self._over.set()

    async def caller(self, name: int) -> None:
        """Be one caller."""
        number = 0
        while not self._over.is_set():
            number += 1
            await self._intent(f"caller-{name}-{number}", self._dice.choice(self.paths))

    async def _intent(self, key: str, path: str) -> None:
        by = self._dice.randrange(1, 10)
        for again in range(2_000):
            node = self._dice.choice(self._nodes)
            said = Happened("invoke", f"{key}-a{again}", "increment", f"{path}/increment", by, key)
            self.history.append(said)
            headers = {"x-request-id": said.attempt, "idempotency-key": key}
            answer = await node.post(said.path, json={"by": by}, headers=headers)
            what = self._heard(said, answer)
            if what == "ok":
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    def _heard(self, said: Happened, answer: Response) -> Literal["ok", "fail", "info"]:
        what: Literal["ok", "fail", "info"] = "ok" if answer.status < 300 else "fail"
        if what != "ok":
            self.refused.add((answer.status, answer.code))
            if answer.status == 500 or answer.code == "commit:unknown":
                what = "info"
        kept = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
        self.history.append(
            Happened(what, said.attempt, said.verb, said.path, said.by, said.key, answer.status, kept, answer.body.decode())
        )
        if what == "ok":
            self.acknowledged += 1
            self._moved.set()
        return what


@asynccontextmanager
async def calling(nodes: Sequence[Whole], *, clients: int = 6, counters: int = 3, seed: int = 1) -> AsyncIterator[Calls]:
    """Callers at work for the length of the block; after it every intent has its verdict."""
    paths = [await nodes[0].counter(f"c{number}") for number in range(counters)]
    calls = Calls(nodes, paths, seed)
    tasks = [asyncio.create_task(calls.caller(name)) for name in range(clients)]
    try:
        yield calls
        calls.end()
        async with asyncio.timeout(PATIENCE_SECONDS * 2):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
