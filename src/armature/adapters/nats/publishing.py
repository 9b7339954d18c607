"""Batches on their way into a stream: a window of messages in flight, and a count of acks without a gap.

Each message but the first of a batch names its predecessor (`Nats-Expected-Last-Msg-Id`). So when the server drops or refuses one
because it is full or its leader changes, it refuses those behind it as well, and a stream never holds a message without the
one before it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any

import msgspec
from nats.aio.msg import Msg

from armature.adapters.nats.connection import NatsConnection, translated
from armature.adapters.nats.frames import FastClient
from armature.ports.bus import Message

__all__ = ["Outgoing", "Packer", "Publisher"]

# Larger steps mean fewer writes to the socket, and a larger window keeps the server busy between them: 63 % of what frames
# written by hand reach, against 57 % with 512 and 64.
_WINDOW = 2_048
_STEP = 256
_FIRST = b"HPUB %b %b.%d %d %d\r\nNATS/1.0\r\nNats-Msg-Id:%b\r\nArmature-Event:%b\r\n\r\n%b\r\n"
_NEXT = b"HPUB %b %b.%d %d %d\r\nNATS/1.0\r\nNats-Msg-Id:%b\r\nNats-Expected-Last-Msg-Id:%b\r\nArmature-Event:%b\r\n\r\n%b\r\n"
# Length of a header block without its values.
_FIRST_LENGTH = len(b"NATS/1.0\r\nNats-Msg-Id:\r\nArmature-Event:\r\n\r\n")
_NEXT_LENGTH = _FIRST_LENGTH + len(b"Nats-Expected-Last-Msg-Id:\r\n")

Packer = Callable[[Sequence[Message]], list["Outgoing"]]
"""Packs messages up to the first that cannot be published."""

Outgoing = tuple[bytes, bytes, bytes, bytes]
"""Subject, id, line about the event, payload."""


class Publisher:
    """Publishes over one connection; one batch at a time, so that batches keep their order too."""

    def __init__(self, connection: NatsConnection, *, patience_seconds: float = 5.0) -> None:
        self._connection = connection
        self._patience_seconds = patience_seconds
        self._inbox = f"_INBOX.ack.{token_hex(8)}".encode()
        self._client: FastClient | None = None
        self._subscription: Any = None
        self._turn = asyncio.Lock()
        # Numbers are never used twice, so an ack that comes late counts for nothing.
        self._base = 0
        self._after = 0
        self._acked = 0
        self._early: set[int] = set()
        self._trouble: str | None = None
        self._wanted = 0
        self._moved: asyncio.Future[None] | None = None
        self._untold = connection.when_lost(self._lost)

    async def open(self) -> None:
        """Listen for acks."""
        client = self._connection.client
        client.listen_for_acks(self._inbox, self._stored)
        with translated():
            self._subscription = await client.subscribe(f"{self._inbox.decode()}.*", cb=self._answered)
            await client.flush(timeout=2)
        self._client = client

    async def close(self) -> None:
        """Stop listening."""
        self._untold()
        client, self._client = self._client, None
        if client is not None:
            client.forget_acks(self._inbox)
            with suppress(Exception):
                await self._subscription.unsubscribe()

    async def publish(self, messages: Sequence[Message], packed: Packer) -> tuple[int, str | None]:
        """Return how many messages from the first on were acknowledged, and what the trouble was with the next one.

        `packed` is called for some at a time, so that the server is busy while the next ones are packed; it may raise.
        """
        async with self._turn:
            client = self._connection.client
            self._base = self._acked = self._after
            self._after += len(messages)
            self._early.clear()
            self._trouble = None
            sent = 0
            with translated():
                before: bytes | None = None
                while sent < len(messages) and await self._room(sent):
                    step = packed(messages[sent : sent + _STEP])
                    if not step:
                        break
                    await client.write(self._frames(step, self._base + sent, before))
                    sent += len(step)
                    before = step[-1][1]
                await self._reach(self._base + sent)
            return self._acked - self._base, self._trouble

    async def _room(self, sent: int) -> bool:
        return await self._reach(self._base + sent - _WINDOW + _STEP)

    async def _reach(self, number: int) -> bool:
        """Wait until all below `number` is acknowledged; False when that will not be."""
        while self._acked < number and self._trouble is None:
            self._wanted = number
            before = self._acked
            self._moved = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(self._patience_seconds):
                    await self._moved
            except TimeoutError:
                if self._acked == before:
                    self._trouble = f"no ack within {self._patience_seconds:g} s"
            finally:
                self._moved = None
        return self._trouble is None

    def _frames(self, messages: Sequence[Outgoing], number: int, before: bytes | None) -> list[bytes]:
        frames = []
        inbox = self._inbox
        for subject, key, line, payload in messages:
            if before is None:
                size = _FIRST_LENGTH + len(key) + len(line)
                frames.append(_FIRST % (subject, inbox, number, size, size + len(payload), key, line, payload))
            else:
                size = _NEXT_LENGTH + len(key) + len(before) + len(line)
                frames.append(_NEXT % (subject, inbox, number, size, size + len(payload), key, before, line, payload))
            before = key
            number += 1
        return frames

    def _stored(self, numbers: list[int]) -> None:
        after = self._acked + len(numbers)
        if numbers[0] == self._acked and numbers == list(range(self._acked, after)):
            self._acked = after
        else:
            # Out of order, or of a batch that was given up: each for itself, and none counts before those below it.
            self._early.update(number for number in numbers if number >= self._acked)
        while self._early and self._acked in self._early:
            self._early.remove(self._acked)
            self._acked += 1
        if self._acked >= self._wanted:
            self._wake()

    async def _answered(self, message: Msg) -> None:
        number = int(message.subject.rpartition(".")[2])
        if message.data.startswith(b'{"stream"'):
            self._stored([number])
        elif number >= self._base:
            self._fail(number, message.data)

    def _fail(self, number: int, answer: bytes) -> None:
        # Those behind the first one fail because of it; what the first was refused for is what matters.
        if self._trouble is None and number == self._acked:
            self._trouble = _reason(answer)
            self._wake()

    def _lost(self) -> None:
        if self._trouble is None:
            self._trouble = "the connection broke"
        self._wake()

    def _wake(self) -> None:
        if self._moved is not None and not self._moved.done():
            self._moved.set_result(None)


def _reason(answer: bytes) -> str:
    if not answer:
        return "no stream takes the subject"
    try:
        error = msgspec.json.decode(answer)["error"]
        return f"{error.get('description')} ({error.get('err_code', error.get('code'))})"
    except (msgspec.MsgspecError, LookupError, TypeError, AttributeError):
        return f"an answer nobody knows: {answer[:80]!r}"
