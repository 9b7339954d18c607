"""Signals over NATS core: no JetStream, no memory. The client subscribes anew by itself after a broken connection."""

from contextlib import suppress

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from armature.adapters.nats.connection import NatsConnection, translated
from armature.engine.backlog import Backlog
from armature.kernel.refusals import Unavailable

__all__ = ["NatsListener", "NatsSignal"]

_CONFIRM_SECONDS = 2


class NatsListener:
    """One listener of one subject."""

    def __init__(self, connection: NatsConnection, backlog: int) -> None:
        self._connection = connection
        self._client = connection.client
        self._backlog = Backlog(backlog)
        self._before = self._changes()
        self._subscription: Subscription | None = None

    @property
    def lost(self) -> int:
        """Drops of a full backlog, connections that broke, and connections that came back."""
        return self._backlog.lost + self._changes() - self._before

    async def begin(self, subject: str) -> None:
        """Subscribe, and wait until the server has confirmed it."""
        with translated():
            self._subscription = await self._client.subscribe(subject, cb=self._arrived)
        try:
            with translated():
                await self._client.flush(timeout=_CONFIRM_SECONDS)
        except BaseException:
            await self.close()
            raise

    async def next(self, seconds: float) -> bytes | None:
        """Return the next signal's payload, None when none came within so long."""
        return await self._backlog.next(seconds)

    async def close(self) -> None:
        """Stop listening. A second close does nothing."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None and not self._client.is_closed:
            with suppress(Unavailable), translated():
                await subscription.unsubscribe()

    async def _arrived(self, message: Msg) -> None:
        self._backlog.put(message.data)

    def _changes(self) -> int:
        # Signals are missed from the break until the client has subscribed anew: who looked in between must look again.
        return self._connection.breaks + int(self._client.stats["reconnects"])


class NatsSignal:
    """`Signal` over the connection that the process shares."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._open = False

    async def open(self) -> None:
        """Connect."""
        if not self._open:
            await self._connection.open()
            self._open = True

    async def close(self) -> None:
        """Let go of the connection. A second close does nothing."""
        if self._open:
            self._open = False
            await self._connection.close()

    async def send(self, subject: str, payload: bytes = b"") -> None:
        """Tell everybody who listens to the subject now; the client writes in the next turn of the loop."""
        client = self._connection.client
        with translated():
            await client.publish(subject, payload)

    async def listen(self, subject: str, *, backlog: int = 64) -> NatsListener:
        """Begin to listen; the subscription is in force when this returns."""
        listener = NatsListener(self._connection, backlog)
        await listener.begin(subject)
        return listener
