"""Links over NATS request and reply: a queue group for each module, so there is no address to configure.

Core NATS keeps nothing: a message for which nobody answers is known to be lost at once ("no responders"), one whose answerer died
is known only by its silence.
"""

import asyncio
from collections.abc import Collection
from contextlib import suppress
from itertools import count

from nats.aio.client import NO_RESPONDERS_STATUS
from nats.aio.subscription import Subscription
from nats.errors import Error
from nats.js.api import Header

from armature.adapters.nats.connection import NatsConnection, translated
from armature.adapters.nats.frames import FastClient
from armature.adapters.nats.messages import Headers, Taker
from armature.adapters.nats.replies import Replies
from armature.engine.eager_task import EagerTask
from armature.engine.names import link_subject
from armature.kernel.refusals import Unavailable
from armature.ports.links import LinkError, LinkLate, LinkLost, LinkRefused, NotSent, Respond

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
        self._client: FastClient | None = None
        self._replies: Replies | None = None
        self._turn = asyncio.Lock()
        self._opening: asyncio.Task[None] | None = None
        self._subjects: dict[str, bytes] = {}
        self._subscriptions: list[Subscription] = []
        self._numbers = count()
        self._in_hand: dict[int, EagerTask] = {}

    async def open(self) -> None:
        """Connect, and listen for answers."""
        async with self._turn:
            if self._client is None:
                await self._open()

    async def _open(self) -> None:
        await self._connection.open()
        try:
            client = self._connection.client
            self._replies = Replies(client)
            with translated():
                await self._replies.open()
        except BaseException:
            await self._connection.close()
            raise
        self._client = client

    async def close(self) -> None:
        """Let go of the connection. A second close does nothing."""
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        await self._unsubscribe()
        in_hand = tuple(self._in_hand.values())
        for task in in_hand:
            task.cancel()
        await asyncio.gather(*in_hand, return_exceptions=True)
        if self._client is not None:
            self._client = self._replies = None
            await self._connection.close()

    async def ask(self, module: str, message: bytes, seconds: float) -> bytes:
        """Ask whoever of the group the server chooses."""
        client, replies = self._client, self._replies
        if client is None or replies is None or not client.is_connected:
            self._open_if_need_be()
            raise NotSent("nats: not connected")
        limit = self._limit(client)
        if len(message) > limit:
            raise LinkRefused(f"the message has {len(message)} bytes, at most {limit} are sent")
        before = self._connection.breaks

        def late() -> LinkError:
            if self._connection.breaks != before:
                return LinkLost(f"'{module}': the connection to NATS broke while it was asked")
            return LinkLate(f"no answer for '{module}' within {seconds:.3g} s")

        try:
            reply = await replies.ask(self._subject(module), message, seconds, late)
        except (Error, OSError) as error:
            raise LinkLost(f"'{module}': nats: {str(error) or type(error).__name__}") from None
        if reply.headers:
            _look_at(reply.headers, module, limit)
        return reply.data

    async def answer(self, modules: Collection[str], respond: Respond) -> None:
        """Join the group of each module, and wait until the server has confirmed it."""
        client = self._connection.client
        with translated():
            for module in modules:
                taker = self._taker(client, respond)
                self._subscriptions.append(await client.take(self._subject(module).decode(), taker, _GROUP))
            await client.flush(timeout=_CONFIRM_SECONDS)

    async def leave(self) -> None:
        """Leave the groups, take what is on its way, finish."""
        subscriptions, self._subscriptions = self._subscriptions, []
        for one in subscriptions:
            with suppress(Error, OSError, TimeoutError):
                await one.drain()  # type: ignore[no-untyped-call]
            if self._client is not None:
                self._client.release(one)
        if self._in_hand:
            await asyncio.wait(tuple(self._in_hand.values()), timeout=_LEAVE_SECONDS)

    def _open_if_need_be(self) -> None:
        """Connect behind the callers' backs where the server was away at the start; from then on the client returns by itself."""
        if self._client is None and (self._opening is None or self._opening.done()):
            self._opening = asyncio.create_task(self._open_quietly(), name="links opening")

    async def _open_quietly(self) -> None:
        with suppress(Unavailable):
            await self.open()

    def _taker(self, client: FastClient, respond: Respond) -> Taker:
        loop = asyncio.get_running_loop()

        def arrived(subject: bytes, reply: bytes, data: bytes, headers: Headers | None) -> None:
            number = next(self._numbers)
            task = self._in_hand[number] = EagerTask(work(number, reply, data), loop)
            task.begin()

        async def work(number: int, reply: bytes, data: bytes) -> None:
            try:
                answer = await respond(data)
                try:
                    await client.post(self._frame(client, reply, answer))
                except (Error, OSError):
                    return  # whoever asked may have gone, and so may the server: the asker learns of that by itself
            finally:
                del self._in_hand[number]

        return arrived

    def _frame(self, client: FastClient, reply: bytes, answer: bytes) -> bytes:
        if len(answer) <= self._limit(client):
            return b"PUB %b %d\r\n%b\r\n" % (reply, len(answer), answer)
        headers = b"NATS/1.0\r\n%b: %d\r\n\r\n" % (_TOO_LARGE.encode(), len(answer))
        return b"HPUB %b %d %d\r\n%b\r\n" % (reply, len(headers), len(headers), headers)

    async def _unsubscribe(self) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for one in subscriptions:
            if self._client is not None:
                self._client.release(one)
            with suppress(Error, OSError):
                await one.unsubscribe()

    def _subject(self, module: str) -> bytes:
        subject = self._subjects.get(module)
        if subject is None:
            subject = self._subjects[module] = link_subject(self._installation, module).encode()
        return subject

    def _limit(self, client: FastClient) -> int:
        """The smaller of ours and the server's, which is known once it was met."""
        return min(self._bytes_max, client.max_payload)


def _look_at(headers: Headers, module: str, limit: int) -> None:
    """Raise what an answer says by its headers: nobody was there, or what was answered is too large."""
    if headers.get(Header.STATUS) == NO_RESPONDERS_STATUS:
        raise NotSent(f"nobody answers for '{module}': no process that hosts it is up")
    if size := headers.get(_TOO_LARGE):
        raise LinkRefused(f"the answer has {size} bytes, at most {limit} are sent")
