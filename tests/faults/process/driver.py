"""Callers in a process of their own: they go on while the server dies, and write down what they know.

`python -m tests.faults.process.driver PORT HISTORY STORY CLIENTS SEED COUNTERS` where STORY is `steps`, `transfers` or
`rude` (steps whose callers now and then hang up before their answer) and COUNTERS is a comma-separated list of ids. Ends
when its standard input does: every caller finishes the intent it has.
"""

import asyncio
import random
import sys
from pathlib import Path
from typing import Literal

from armature.testing.history import Happened, History

from .wire import Answered, Line, Lost, NotSent

PAUSE_SECONDS = 0.02
RUDE_SECONDS = 0.004
"""About as long as a commit takes, so that callers leave before, in and after it."""
KEPT_HEADERS = ("etag", "location", "armature-position", "content-type")
"""What a replay must repeat, byte for byte, with status and body."""


class Caller:
    """One client: one connection, one intent at a time, each repeated under its key until it has a verdict."""

    def __init__(self, name: int, port: int, history: History, story: str, counters: list[str], seed: int) -> None:
        self._name = name
        self._line = Line(port)
        self._history = history
        self._story = story
        self._counters = counters
        self._dice = random.Random(seed * 1_000 + name)
        self._word = f"s{seed}c{name}"

    async def run(self, stop: asyncio.Event) -> None:
        """Call until told to stop."""
        n = 0
        while not stop.is_set():
            n += 1
            await self._intent(n, stop)
        self._line.close()

    async def _intent(self, n: int, stop: asyncio.Event) -> None:
        verb, path, by, body = self._choose()
        key = f"{self._word}n{n}" if self._dice.random() < 0.7 else None
        for again in range(1_000):
            line = Happened("invoke", f"{self._word}-n{n}-a{again}", verb, path, by, key)
            verdict = await self._attempt(line, body, stop)
            # A caller with a key asks until it knows; now and then also when it knows already.
            if key is None or (verdict != "info" and (again > 0 or self._dice.random() < 0.8)):
                return
            if verdict == "info" and stop.is_set():
                return

    async def _attempt(self, line: Happened, body: bytes, stop: asyncio.Event) -> str:
        headers = {"x-request-id": line.attempt}
        if line.key is not None:
            headers["idempotency-key"] = line.key
        while True:
            try:
                await self._line.open()
                break
            except NotSent:
                if stop.is_set():
                    return "fail"
                await asyncio.sleep(PAUSE_SECONDS)
        await self._history.note(line)
        try:
            if self._story == "rude" and self._dice.random() < 0.3:
                await self._line.drop(line.path, headers, body, self._dice.random() * RUDE_SECONDS)
                raise Lost("hung up")
            answered = await self._line.request("POST", line.path, headers, body)
        except Lost:
            await self._history.note(Happened("info", line.attempt, line.verb, line.path, line.by, line.key))
            return "info"
        what = _verdict(answered)
        kept = {name: answered.headers[name] for name in KEPT_HEADERS if name in answered.headers}
        told = Happened(
            what, line.attempt, line.verb, line.path, line.by, line.key, answered.status, kept, answered.body.decode()
        )
        await self._history.note(told)
        return what

    def _choose(self) -> tuple[str, str, int, bytes]:
        dice = self._dice
        # A few counters are wanted by everybody, so that conflicts and re-runs happen all the time.
        source = self._counters[min(dice.randrange(len(self._counters)), dice.randrange(len(self._counters)))]
        by = dice.randrange(1, 10)
        if self._story != "transfers":
            return "increment", f"/v1/counters/{source}/increment", by, b'{"by":%d}' % by
        other = dice.choice([one for one in self._counters if one != source])
        return "transfer", f"/v1/counters/{source}/transfer", by, b'{"to":"%s","by":%d}' % (other.encode(), by)


def _verdict(answered: Answered) -> Literal["ok", "fail", "info"]:
    if 200 <= answered.status < 300:
        return "ok"
    unknown = answered.status == 503 and b'"commit:unknown"' in answered.body
    return "info" if unknown or answered.status == 500 else "fail"


async def drive(port: int, file: Path, story: str, clients: int, seed: int, counters: list[str]) -> None:
    """Let all callers call until standard input ends."""
    stop = asyncio.Event()
    history = History(file)
    callers = [Caller(name, port, history, story, counters, seed) for name in range(clients)]
    tasks = [asyncio.create_task(caller.run(stop)) for caller in callers]
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await asyncio.gather(*tasks)


if __name__ == "__main__":
    port, file, story, clients, seed, counters = sys.argv[1:]
    asyncio.run(drive(int(port), Path(file), story, int(clients), int(seed), counters.split(",")))
