"""The callers of a drill, in a process of their own: they go on while the system dies, and write down what they know.

`python -m armature.testing.drill.callers HISTORY CLIENTS SEED PORT,PORT… COUNTER,COUNTER…`. Ends when its standard input does:
every caller finishes the intent it has. A caller whose node does not answer goes to the next one, with the same key.
"""

import asyncio
import random
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from armature.testing.history import Happened, History
from armature.testing.line import Answered, Line, Lost, NotSent

__all__ = ["drive"]

_PAUSE_SECONDS = 0.05
_ANSWER_SECONDS_MAX = 15.0
"""A node that is silent for longer (frozen, cut off) is left, and what was asked of it is in doubt."""
_KEPT_HEADERS = ("etag", "armature-position", "content-type")
"""What a replay must repeat, byte for byte, with status and body."""
_LAST_SECONDS = 60.0


class _Caller:
    """One client: one intent at a time, each repeated under its key until it has a verdict."""

    def __init__(self, name: int, ports: Sequence[int], history: History, counters: Sequence[str], seed: int) -> None:
        self._lines = [Line(port) for port in ports]
        self._at = name
        self._history = history
        self._counters = counters
        self._dice = random.Random(seed * 1_000 + name)
        self._word = f"s{seed}c{name}"

    async def run(self, stop: asyncio.Event) -> None:
        """Call until told to stop."""
        n = 0
        while not stop.is_set():
            n += 1
            await self._intent(n, stop)
        for line in self._lines:
            line.close()

    async def _intent(self, n: int, stop: asyncio.Event) -> None:
        verb, path, by, body = self._choose()
        key = f"{self._word}n{n}"
        until = 0.0
        for again in range(10_000):
            said = Happened("invoke", f"{self._word}-n{n}-a{again}", verb, path, by, key)
            verdict = await self._attempt(said, body, stop)
            # Asks until it knows; now and then also when it knows already, to be told the same again.
            if verdict != "info" and (verdict != "again" and (again > 0 or self._dice.random() < 0.95)):
                return
            if stop.is_set():
                now = asyncio.get_running_loop().time()
                until = until or now + _LAST_SECONDS
                if now > until:
                    return

    async def _attempt(self, said: Happened, body: bytes, stop: asyncio.Event) -> str:
        line = self._lines[self._at % len(self._lines)]
        try:
            await line.open()
        except NotSent:
            self._at += 1
            await asyncio.sleep(_PAUSE_SECONDS)
            return "again"
        await self._history.note(said)
        headers = {"x-request-id": said.attempt, "idempotency-key": said.key or ""}
        try:
            async with asyncio.timeout(_ANSWER_SECONDS_MAX):
                answered = await line.request("POST", said.path, headers, body)
        except (Lost, NotSent, TimeoutError):
            line.close()
            self._at += 1
            await self._history.note(Happened("info", said.attempt, said.verb, said.path, said.by, said.key))
            return "info"
        what = _verdict(answered)
        kept = {name: answered.headers[name] for name in _KEPT_HEADERS if name in answered.headers}
        told = Happened(
            what, said.attempt, said.verb, said.path, said.by, said.key, answered.status, kept, answered.body.decode()
        )
        await self._history.note(told)
        if what == "fail" and answered.status in (429, 503, 504):
            # Not now: nothing happened, so the same intent is asked again, elsewhere.
            self._at += 1
            await asyncio.sleep(_PAUSE_SECONDS)
            return "again"
        return what

    def _choose(self) -> tuple[str, str, int, bytes]:
        dice = self._dice
        # A few counters are wanted by everybody, so that conflicts and re-runs happen all the time.
        source = self._counters[min(dice.randrange(len(self._counters)), dice.randrange(len(self._counters)))]
        by = dice.randrange(1, 10)
        if dice.random() < 0.8:
            return "increment", f"/v1/counters/{source}/increment", by, b'{"by":%d}' % by
        other = dice.choice([one for one in self._counters if one != source])
        return "transfer", f"/v1/counters/{source}/transfer", by, b'{"to":"%s","by":%d}' % (other.encode(), by)


def _verdict(answered: Answered) -> Literal["ok", "fail", "info"]:
    if 200 <= answered.status < 300:
        return "ok"
    unknown = answered.status == 503 and b'"commit:unknown"' in answered.body
    return "info" if unknown or answered.status == 500 else "fail"


async def drive(file: Path, clients: int, seed: int, ports: Sequence[int], counters: Sequence[str]) -> None:
    """Let all callers call until standard input ends."""
    stop = asyncio.Event()
    history = History(file)
    callers = [_Caller(name, ports, history, counters, seed) for name in range(clients)]
    tasks = [asyncio.create_task(caller.run(stop)) for caller in callers]
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await asyncio.gather(*tasks)
    history.close()


if __name__ == "__main__":
    said, clients, seed, ports, counters = sys.argv[1:]
    with suppress(KeyboardInterrupt):
        asyncio.run(drive(Path(said), int(clients), int(seed), [int(one) for one in ports.split(",")], counters.split(",")))
