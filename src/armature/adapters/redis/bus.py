"""Events on a Redis stream. What must happen at once is a script; the order of entries is the order of publishing.

Durability follows the server's append-only file: off D0, synced every second D1, synced always D3 (`durability`). A store that
came back older or empty is seen by `tail`, and what is missing is published again from the log.
"""

from collections.abc import Sequence
from contextlib import suppress
from secrets import token_hex
from typing import Any

import msgspec
from msgspec import Struct
from redis.commands.core import AsyncScript

from armature.adapters.redis import scripts
from armature.adapters.redis.connection import RedisConnection, translated
from armature.adapters.redis.subscription import RedisSubscription
from armature.engine import envelope
from armature.engine.names import event_stream, word
from armature.kernel.refusals import Unavailable
from armature.ports.bus import BusRefused, Message, Tail, Unpublishable

__all__ = ["RedisBus", "RedisBusSettings"]

_STEP = 256


class RedisBusSettings(Struct, frozen=True):
    """Bounds of the stream. When `messages_max` entries are there that groups still need, publishing is refused."""

    messages_max: int = 1_000_000
    message_bytes_max: int = 1_000_000
    dedupe_seconds: float = 120.0


class RedisBus:
    """`connection` is the process' own; opened and closed here as by every port that uses it."""

    def __init__(self, connection: RedisConnection, installation: str, settings: RedisBusSettings | None = None) -> None:
        self._connection = connection
        self._settings = settings or RedisBusSettings()
        self._stream = event_stream(installation)
        self._publish: AsyncScript | None = None
        self.durability = "D0"
        """The class the server's settings give, known after `open`."""

    async def open(self) -> None:
        """Connect and check what the server says about itself; refuse one that forgets to make room."""
        if self._publish is not None:
            return
        await self._connection.open()
        try:
            with translated():
                client = self._connection.client
                _check_eviction((await client.info("memory")).get("maxmemory_policy"))
                self.durability = _durability(await client.info("persistence"), await self._fsync())
                self._publish = client.register_script(scripts.PUBLISH)
            await self.tail()
        except BaseException:
            self._publish = None
            await self._connection.close()
            raise

    async def close(self) -> None:
        """Let go of everything. A second close does nothing."""
        if self._publish is not None:
            self._publish = None
            await self._connection.close()

    async def publish(self, messages: Sequence[Message]) -> int:
        """Store messages in order; return how many were acknowledged without a gap."""
        done = 0
        while done < len(messages):
            words, count, wrong = self._words(messages, done)
            stored, behind = await self._stored(words) if count else (0, b"")
            done += stored
            if stored < count:
                break
            if wrong is not None:
                raise wrong
        if messages and not done:
            whose = f" for group {behind.decode()}" if behind else ""
            cure = f"let it catch up, forget it, or allow more than {self._settings.messages_max}"
            raise Unavailable(what=f"redis: the stream is full of messages that wait{whose}; {cure}")
        return done

    async def tail(self) -> Tail:
        """Return how far the store is; its identity is a random word that is lost with it."""
        with translated():
            identity, last, line = await self._run(scripts.TAIL, token_hex(16))
        epoch = position = 0
        with suppress(msgspec.MsgspecError):
            message = envelope.message(line, b"")
            epoch, position = message.epoch, message.position
        return Tail(f"redis:{identity.decode()}", last, epoch, position)

    async def subscribe(
        self, group: str, types: Sequence[str], *, in_order: bool = True, ack_seconds: float = 30.0, oldest: bool = False
    ) -> RedisSubscription:
        """Join a group; make it where there is none."""
        name = word(group)

        async def remake() -> None:
            await self._run(scripts.JOIN, name, "0")

        await self._run(scripts.JOIN, name, "0" if oldest else "$")
        return RedisSubscription(
            self._connection, (self._stream, name), types, remake, in_order=in_order, ack_seconds=ack_seconds
        )

    async def forget(self, group: str) -> None:
        """Remove a group nobody needs any more."""
        with translated():
            client = self._connection.client
            if await client.exists(self._stream):
                await client.xgroup_destroy(self._stream, word(group))
            await client.delete(f"{self._stream}:later:{word(group)}")

    def _words(self, messages: Sequence[Message], first: int) -> tuple[list[Any], int, Unpublishable | None]:
        """Return the script's arguments for the next messages, how many those are, and what is wrong with the one after them."""
        words: list[Any] = [self._settings.messages_max, int(self._settings.dedupe_seconds * 1000)]
        for index in range(first, min(first + _STEP, len(messages))):
            message = messages[index]
            line = envelope.head(message)
            if reason := envelope.flaw(message, len(line) + len(message.payload), self._settings.message_bytes_max):
                return words, index - first, Unpublishable(index, reason)
            words += (envelope.key(message), message.type, line, message.payload)
        return words, min(_STEP, len(messages) - first), None

    async def _stored(self, words: list[Any]) -> tuple[int, bytes]:
        publish = self._publish
        if publish is None:
            raise Unavailable(what="redis: not connected")
        with translated():
            stored, behind = await publish(keys=[self._stream], args=words)
        return stored, behind

    async def _run(self, script: str, *words: str) -> Any:
        with translated():
            return await self._connection.client.register_script(script)(keys=[self._stream], args=words)

    async def _fsync(self) -> str:
        """How often the append-only file is synced; the answer that promises less where the server does not tell."""
        with suppress(Exception):
            return str((await self._connection.client.config_get("appendfsync"))["appendfsync"])
        return "everysec"


def _check_eviction(policy: object) -> None:
    if policy not in (None, "noeviction"):
        text = f"redis: maxmemory-policy is {policy}: the server throws away events when memory is short"
        raise BusRefused(f"{text}; set it to noeviction (events and a cache with eviction want two servers)")


def _durability(persistence: dict[str, Any], fsync: str) -> str:
    if not persistence.get("aof_enabled"):
        return "D0"
    return "D3" if fsync == "always" else "D1"
