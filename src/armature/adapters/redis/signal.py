"""Signals over Redis publish/subscribe: one connection of its own that listens for the whole process, and the pool that sends.

The client's own way of listening reconnects without saying so; here a break must be counted, so the connection is driven by
hand: one task reads, `PING` finds a server that hangs, and after a break everything is subscribed anew.
"""

import asyncio
import logging
import random
from collections import deque
from contextlib import suppress
from uuid import uuid4

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from armature.adapters.redis.connection import RedisConnection, translated
from armature.engine.backlog import Backlog
from armature.kernel.refusals import Unavailable

__all__ = ["RedisListener", "RedisSignal"]

log = logging.getLogger("armature.signal")

_CONFIRM_SECONDS = 2.0
_SEND_SECONDS = 2.0
_CANCEL_SECONDS = 0.5
# A server that answers neither a PING nor anything else for so long, twice, is given up.
_SILENCE_SECONDS = 2.0
_DELAY_SECONDS_MAX = 2.0


class RedisListener:
    """One listener of one subject."""

    def __init__(self, signal: "RedisSignal", subject: str, backlog: int) -> None:
        self._signal = signal
        self.subject = subject
        self.backlog = Backlog(backlog)

    @property
    def lost(self) -> int:
        """Drops of a full backlog, connections that broke, and connections that came back."""
        return self.backlog.lost

    async def next(self, seconds: float) -> bytes | None:
        """Return the next signal's payload, None when none came within so long."""
        return await self.backlog.next(seconds)

    async def close(self) -> None:
        """Stop listening. A second close does nothing."""
        await self._signal.leave(self)


class RedisSignal:
    """`Signal` over the connections that the process shares."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._listeners: dict[bytes, list[RedisListener]] = {}
        self._unconfirmed: dict[bytes, deque[asyncio.Future[None]]] = {}
        self._ear: AbstractConnection | None = None
        """The listening connection, while it stands."""
        self._reading: asyncio.Task[None] | None = None
        # Nobody sends here; a connection that is subscribed to something answers everything in one form.
        self._anchor = f"armature.listening.{uuid4().hex}"

    async def open(self) -> None:
        """Connect."""
        if self._reading is None:
            await self._connection.open()
            stands = asyncio.get_running_loop().create_future()
            self._reading = asyncio.create_task(self._listen_for_ever(stands), name="redis signal")
            try:
                await stands
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Let go of everything. A second close does nothing."""
        reading, self._reading = self._reading, None
        if reading is not None:
            # Again until it has ended: a connection that is just being made has been seen to swallow the first one.
            while not reading.done():
                reading.cancel()
                await asyncio.wait((reading,), timeout=_CANCEL_SECONDS)
            with suppress(asyncio.CancelledError):
                await reading
            await self._connection.close()

    async def send(self, subject: str, payload: bytes = b"") -> None:
        """Tell everybody who listens to the subject now."""
        with translated():
            async with asyncio.timeout(_SEND_SECONDS):
                await self._connection.client.publish(subject, payload)

    async def listen(self, subject: str, *, backlog: int = 64) -> RedisListener:
        """Begin to listen; the server has confirmed the subscription when this returns."""
        ear = self._ear
        if ear is None:
            raise Unavailable(what="redis: the listening connection is being made anew")
        listener = RedisListener(self, subject, backlog)
        confirmed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        name = subject.encode()
        self._listeners.setdefault(name, []).append(listener)
        # The server confirms every subscription, repeated ones too, in the order they were asked for.
        self._unconfirmed.setdefault(name, deque()).append(confirmed)
        try:
            with translated():
                async with asyncio.timeout(_CONFIRM_SECONDS):
                    await ear.send_command("SUBSCRIBE", subject)
                    await confirmed
        except BaseException:
            await self.leave(listener)
            raise
        return listener

    async def leave(self, listener: RedisListener) -> None:
        """Forget a listener; the last one of a subject ends the subscription."""
        name = listener.subject.encode()
        others = self._listeners.get(name, [])
        if listener not in others:
            return
        others.remove(listener)
        if not others:
            del self._listeners[name]
            if self._ear is not None:
                with suppress(Unavailable), translated():
                    await self._ear.send_command("UNSUBSCRIBE", listener.subject)

    async def _listen_for_ever(self, stands: asyncio.Future[None]) -> None:
        pool = self._connection.client.connection_pool
        ear: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
        failed = 0
        try:
            while True:
                try:
                    await self._connect(ear)
                    failed = 0
                    if not stands.done():
                        stands.set_result(None)
                    await self._read(ear)
                except (RedisError, OSError, TimeoutError) as error:
                    failed += 1
                    self._broken(error)
                    if not stands.done():
                        stands.set_exception(Unavailable(what=f"redis: {error or type(error).__name__}"))
                        return
                await ear.disconnect(nowait=True)
                await asyncio.sleep(random.uniform(0.01, min(_DELAY_SECONDS_MAX, 0.1 * 2 ** min(failed, 10))))
        finally:
            self._ear = None
            await ear.disconnect(nowait=True)

    async def _connect(self, ear: AbstractConnection) -> None:
        """Connect and subscribe to all that is listened to."""
        await ear.connect()  # type: ignore[no-untyped-call]
        await ear.send_command("SUBSCRIBE", self._anchor, *self._listeners)
        for _ in range(1 + len(self._listeners)):
            if await ear.read_response(timeout=_CONFIRM_SECONDS, disconnect_on_error=False) is None:
                raise TimeoutError("no confirmation of the subscriptions")
        # Counted a second time: who looked between the break and now must look again.
        self._count_lost()
        self._ear = ear

    async def _read(self, ear: AbstractConnection) -> None:
        silent = 0
        while True:
            reply = await ear.read_response(timeout=_SILENCE_SECONDS, disconnect_on_error=False)
            if reply is None:
                silent += 1
                if silent > 2:
                    raise TimeoutError(f"no answer for {silent * _SILENCE_SECONDS:g} s")
                await ear.send_command("PING")
                continue
            silent = 0
            kind = reply[0]
            if kind == b"message":
                for listener in self._listeners.get(reply[1], ()):
                    listener.backlog.put(reply[2])
            elif kind == b"subscribe":
                self._confirm(reply[1])

    def _confirm(self, name: bytes) -> None:
        waiting = self._unconfirmed.get(name)
        if waiting:
            first = waiting.popleft()
            if not waiting:
                del self._unconfirmed[name]
            if not first.done():
                first.set_result(None)

    def _broken(self, error: BaseException) -> None:
        if self._ear is not None:
            log.warning("the connection that listens for signals broke and is made anew: %s", error or type(error).__name__)
            self._ear = None
            self._count_lost()
        unconfirmed, self._unconfirmed = self._unconfirmed, {}
        for waiting in unconfirmed.values():
            for one in waiting:
                if not one.done():
                    one.set_exception(Unavailable(what="redis: the connection broke"))

    def _count_lost(self) -> None:
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.backlog.lost += 1
