"""Answers on their way to those of this process who asked: one subscription, and a number for each question."""

import asyncio
from collections.abc import Callable
from itertools import count
from secrets import token_hex

from msgspec import Struct

from armature.adapters.nats.frames import FastClient
from armature.adapters.nats.messages import Headers

__all__ = ["Replies", "Reply"]


class Reply(Struct, frozen=True, gc=False):
    """What came back."""

    data: bytes
    headers: Headers | None


class Replies:
    """Open it once for each client. Numbers are never used twice, so an answer that comes late reaches nobody."""

    def __init__(self, client: FastClient) -> None:
        self._client = client
        # Nobody who may not listen can guess where we do.
        self._inbox = f"_INBOX.{token_hex(16)}"
        self._stem = f"{self._inbox}.".encode()
        self._numbers = count()
        self._asked: dict[bytes, asyncio.Future[Reply]] = {}
        self._loop = asyncio.get_running_loop()

    async def open(self) -> None:
        """Listen."""
        await self._client.take(f"{self._inbox}.*", self._arrived)

    async def ask(self, subject: bytes, message: bytes, seconds: float, late: Callable[[], Exception]) -> Reply:
        """Return the first answer; after `seconds` raise what `late` returns."""
        inbox = self._stem + b"%d" % next(self._numbers)
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._asked[inbox] = future
        timer = self._loop.call_later(seconds, _end, future, late)
        try:
            await self._client.post(b"PUB %b %b %d\r\n%b\r\n" % (subject, inbox, len(message), message))
            return await future
        finally:
            timer.cancel()
            del self._asked[inbox]

    def _arrived(self, subject: bytes, reply: bytes, data: bytes, headers: Headers | None) -> None:
        future = self._asked.get(subject)
        if future is not None and not future.done():
            future.set_result(Reply(data, headers))


def _end(future: asyncio.Future[Reply], late: Callable[[], Exception]) -> None:
    if not future.done():
        future.set_exception(late())
