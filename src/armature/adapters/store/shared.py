"""What the owner keeps in its memory for all processes of the machine: signals, kept answers, counts of calls.

They are the ports of the owner's own process; guests use them over the same connection. A ticket of the cache carries the life of
the owner that gave it: the states of another life have the same numbers and mean nothing here.
"""

import asyncio
from typing import Any, Protocol

from msgspec import Struct

from armature.adapters.store import guest_says, owner_says
from armature.ports.cache import Cache
from armature.ports.limiter import Limiter, Rate
from armature.ports.signal import Listener, Signal

__all__ = ["Listening", "Shared", "Speaker", "called"]

_BACKLOG = 1_024
_LOOK_SECONDS = 3_600.0


class Shared(Struct, frozen=True):
    """The ports."""

    signal: Signal
    cache: Cache
    limiter: Limiter


class Speaker(Protocol):
    """The connection to a guest."""

    def say(self, message: Any) -> None:
        """Say something."""
        ...


class Listening:
    """The listeners of one guest."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def begin(self, signal: Signal, number: int, subject: str) -> None:
        """Listen for a guest under its number."""
        listener = await signal.listen(subject, backlog=_BACKLOG)
        self._tasks[number] = asyncio.create_task(self._pass_on(listener, number), name=f"listener {subject}")

    def end(self, number: int) -> None:
        """Listen no more."""
        if (task := self._tasks.pop(number, None)) is not None:
            task.cancel()

    def close(self) -> None:
        """End all."""
        for number in list(self._tasks):
            self.end(number)

    async def _pass_on(self, listener: Listener, number: int) -> None:
        try:
            while True:
                payload = await listener.next(_LOOK_SECONDS)
                if payload is not None:
                    self._speaker.say(owner_says.News(number, payload, listener.lost))
        finally:
            await listener.close()


async def called(shared: Shared, instance: bytes, listening: Listening, call: guest_says.Call) -> Any:
    """Do what a guest asks of a port."""
    match call.what, call.args:
        case "signal.send", [subject, payload]:
            await shared.signal.send(subject, payload)
        case "signal.listen", [number, subject]:
            await listening.begin(shared.signal, number, subject)
        case "signal.leave", [number]:
            listening.end(number)
        case "cache.get", [key, tags]:
            found = await shared.cache.get(key, tags)
            return [found.value, instance + found.ticket]
        case "cache.put", [key, value, seconds, ticket]:
            if ticket.startswith(instance):
                await shared.cache.put(key, value, seconds, ticket.removeprefix(instance))
        case "cache.invalidate", [tags]:
            await shared.cache.invalidate(tags)
        case "limiter.check", [key, count, period_seconds]:
            return await shared.limiter.check(key, Rate(count, period_seconds))
        case _:
            raise ValueError(f"{call.what} is nothing that a guest may ask")
    return None
