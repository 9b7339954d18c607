"""Links over NATS request and reply: a queue group for each module, so there is no address to configure.

Core NATS keeps nothing: a message for which nobody answers is known to be lost at once ("no responders"), one whose answerer died
is known only by its silence.
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error, MaxPayloadError, NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from armature.adapters.nats.connection import NatsConnection, translated
from armature.engine.names import link_subject
from armature.kernel.refusals import Unavailable
from armature.ports.links import LinkLate, LinkLost, LinkRefused, NotSent, Respond

__all__ = ["NatsLinks"]

_GROUP = "armature"
_CONFIRM_SECONDS = 2
_LEAVE_SECONDS = 30.0
_TOO_LARGE = "Armature-Too-Large"


class NatsLinks:
    """`Links` over the connection that the process shares."""

    def __init__(self, connection: NatsConnection, installation: str, *, message_bytes_max: int = 4_194_304) -> None:
        self._connection = connection
        self._installation = installation
        self._bytes_max = message_bytes_max
        self._open = False
        self._subscriptions: list[Subscription] = []
        self._in_hand: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect."""
        if not self._open:
            await self._connection.open()
            self._open = True

    async def close(self) -> None:
        """Let go of the connection. A second close does nothing."""
        await self._unsubscribe()
        for task in tuple(self._in_hand):
            task.cancel()
        await asyncio.gather(*self._in_hand, return_exceptions=True)
        if self._open:
            self._open = False
            await self._connection.close()

    async def ask(self, module: str, message: bytes, seconds: float) -> bytes:
        """Ask whoever of the group the server chooses."""
        try:
            client = self._connection.client
        except Unavailable as away:
            raise NotSent(away.what) from None
        if len(message) > self._limit():
            raise LinkRefused(f"the message has {len(message)} bytes, at most {self._limit()} are sent")
        before = self._connection.breaks
        asking = asyncio.current_task()
        told_to_leave = asking.cancelling() if asking is not None else 0
        try:
            answer = await client.request(link_subject(self._installation, module), message, timeout=seconds)
            if asking is not None and asking.cancelling() > told_to_leave:
                # Until Python 3.12 `wait_for`, by which the client waits, drops a cancellation that comes with the answer.
                raise asyncio.CancelledError
        except NoRespondersError:
            raise NotSent(f"nobody answers for '{module}': no process that hosts it is up") from None
        except MaxPayloadError:
            raise LinkRefused(f"the message has {len(message)} bytes, more than the NATS server takes") from None
        except (NatsTimeout, TimeoutError):
            if self._connection.breaks != before:
                raise LinkLost(f"'{module}': the connection to NATS broke while it was asked") from None
            raise LinkLate(f"no answer for '{module}' within {seconds:.3g} s") from None
        except (Error, OSError) as error:
            raise LinkLost(f"'{module}': nats: {str(error) or type(error).__name__}") from None
        if answer.headers and (size := answer.headers.get(_TOO_LARGE)):
            raise LinkRefused(f"the answer has {size} bytes, at most {self._limit()} are sent")
        return answer.data

    async def answer(self, modules: Collection[str], respond: Respond) -> None:
        """Join the group of each module, and wait until the server has confirmed it."""

        async def arrived(message: Msg) -> None:
            task = asyncio.create_task(self._respond(message, respond), name="link answer")
            self._in_hand.add(task)
            task.add_done_callback(self._in_hand.discard)

        client = self._connection.client
        with translated():
            for module in modules:
                subject = link_subject(self._installation, module)
                self._subscriptions.append(await client.subscribe(subject, queue=_GROUP, cb=arrived))
            await client.flush(timeout=_CONFIRM_SECONDS)

    async def leave(self) -> None:
        """Leave the groups, take what is on its way, finish."""
        subscriptions, self._subscriptions = self._subscriptions, []
        for one in subscriptions:
            with suppress(Error, OSError, TimeoutError):
                await one.drain()  # type: ignore[no-untyped-call]
        if self._in_hand:
            await asyncio.wait(tuple(self._in_hand), timeout=_LEAVE_SECONDS)

    async def _respond(self, message: Msg, respond: Respond) -> None:
        answer = await respond(message.data)
        # Whoever asked may have gone, and so may the server: the asker learns of that by itself.
        with suppress(Error, OSError, Unavailable):
            if len(answer) > self._limit():
                await self._connection.client.publish(message.reply, b"", headers={_TOO_LARGE: str(len(answer))})
            else:
                await message.respond(answer)

    async def _unsubscribe(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for one in subscriptions:
            with suppress(Error, OSError, Unavailable):
                await one.unsubscribe()

    def _limit(self) -> int:
        """The smaller of ours and the server's, which is known once it was met."""
        try:
            return min(self._bytes_max, self._connection.client.max_payload)
        except Unavailable:
            return self._bytes_max
