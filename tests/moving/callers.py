"""Callers at a steady rate, in a process of their own: they go on while the system moves, and write down what they know.

`python -m tests.moving.callers HISTORY RATE CLIENTS PORT,PORT… COUNTER,COUNTER…`. A caller who is refused for now, or finds
nobody, goes to the next port with the same key. Ends when its standard input does; prints the longest wait for an answer.
"""

import asyncio
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from armature.testing.history import Happened, History
from armature.testing.line import Answered, Line, Lost, NotSent

_PAUSE_SECONDS = 0.05
_LAST_SECONDS = 30.0
KEPT = ("etag", "content-type")
"""What a replay repeats also after the move; `armature-position` names the epoch, which grows with it."""


class Caller:
    """One client: an intent every so often, each repeated under its key until it has a verdict."""

    longest = 0.0

    def __init__(self, name: int, ports: Sequence[int], history: History, counters: Sequence[str]) -> None:
        self._lines = [Line(port) for port in ports]
        self._history = history
        self._counters = counters
        self._name = name
        self._dice = random.Random(name)

    async def run(self, every_seconds: float, stop: asyncio.Event) -> None:
        """Call until told to stop."""
        clock = asyncio.get_running_loop().time
        due = clock() + self._dice.random() * every_seconds
        n = 0
        while not stop.is_set():
            await asyncio.sleep(max(0.0, due - clock()))
            due = max(due + every_seconds, clock() - 1.0)
            n += 1
            await self._intent(f"caller-{self._name}-{n}", stop)
        for line in self._lines:
            line.close()

    async def _intent(self, key: str, stop: asyncio.Event) -> None:
        by = self._dice.randrange(1, 10)
        path = f"/v1/counters/{self._dice.choice(self._counters)}/increment"
        until = 0.0
        for again in range(10_000):
            if await self._attempt(Happened("invoke", f"{key}-{again}", "increment", path, by, key)):
                return
            self._lines.append(self._lines.pop(0))
            await asyncio.sleep(_PAUSE_SECONDS)
            now = asyncio.get_running_loop().time()
            until = until or (now + _LAST_SECONDS if stop.is_set() else 0.0)
            if until and now > until:
                return

    async def _attempt(self, said: Happened) -> bool:
        line = self._lines[0]
        try:
            await line.open()
        except NotSent:
            return False
        await self._history.note(said)
        asked = (said.attempt, said.verb, said.path, said.by, said.key)
        began = asyncio.get_running_loop().time()
        try:
            headers = {"x-request-id": said.attempt, "idempotency-key": said.key or ""}
            answered = await line.request("POST", said.path, headers, b'{"by":%d}' % said.by)
        except (Lost, NotSent):
            line.close()
            await self._history.note(Happened("info", *asked))
            return False
        self.longest = max(self.longest, asyncio.get_running_loop().time() - began)
        kept = {name: answered.headers[name] for name in KEPT if name in answered.headers}
        what = "ok" if 200 <= answered.status < 300 else "info" if _unknown(answered) else "fail"
        await self._history.note(Happened(what, *asked, answered.status, kept, answered.body.decode()))  # type: ignore[arg-type]
        return what == "ok"


def _unknown(answered: Answered) -> bool:
    return answered.status == 500 or (answered.status == 503 and b'"commit:unknown"' in answered.body)


async def drive(file: Path, rate: float, clients: int, ports: Sequence[int], counters: Sequence[str]) -> float:
    """Let all callers call until standard input ends; return the longest wait."""
    stop = asyncio.Event()
    history = History(file)
    callers = [Caller(name, ports, history, counters) for name in range(clients)]
    tasks = [asyncio.create_task(caller.run(clients / rate, stop)) for caller in callers]
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await asyncio.gather(*tasks)
    history.close()
    return max(caller.longest for caller in callers)


if __name__ == "__main__":
    said, rate, clients, ports, counters = sys.argv[1:]
    where = [int(port) for port in ports.split(",")]
    print(asyncio.run(drive(Path(said), float(rate), int(clients), where, counters.split(","))))
