"""Events on a JetStream stream: one stream for an installation, one durable consumer for each group.

Durability class D1: an ack survives a kill of the server, not a power cut (`sync_interval: always` of 2.10 makes it D3). A store
that came back older or empty is seen by `tail`, and what is missing is published again from the log.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import APIError, BadRequestError, NotFoundError, ServerError

from armature.adapters.nats.connection import NatsConnection, translated
from armature.adapters.nats.publishing import Outgoing, Publisher
from armature.adapters.nats.pulling import EVENT_HEADER, NatsSubscription
from armature.adapters.nats.settings import NatsSettings, agree, consumer_config, covering, stream_config
from armature.engine import envelope
from armature.engine.names import event_stream, event_subject, word
from armature.kernel.refusals import Unavailable
from armature.ports.bus import BusRefused, Message, Tail, Unpublishable

__all__ = ["NatsBus"]

_ANSWER_SECONDS = 5.0
_SUBJECTS_MAX = 10_000
# What a frame has beside subject, line and payload: reply, sizes, names and ids of the headers.
_FRAME_BYTES = 300
_FULL = ("maximum bytes exceeded", "maximum messages exceeded")
_GONE = "no stream takes the subject"


class NatsBus:
    """`connection` is the process' own; open and closed here as by every port that uses it."""

    durability = "D1"

    def __init__(self, connection: NatsConnection, installation: str, settings: NatsSettings | None = None) -> None:
        self._connection = connection
        self._installation = installation
        self._settings = settings or NatsSettings()
        self._stream = event_stream(installation)
        self._all = covering(installation, ())
        self._publisher: Publisher | None = None
        self._subjects: dict[tuple[str, str], bytes] = {}

    async def open(self) -> None:
        """Connect, create the stream where there is none, and check what the server made of its settings."""
        if self._publisher is not None:
            return
        await self._connection.open()
        publisher = Publisher(self._connection)
        try:
            await self._ensure_stream()
            await publisher.open()
        except BaseException:
            await publisher.close()
            await self._connection.close()
            raise
        self._publisher = publisher

    async def close(self) -> None:
        """Let go of everything. A second close does nothing."""
        publisher, self._publisher = self._publisher, None
        if publisher is not None:
            await publisher.close()
            await self._connection.close()

    async def publish(self, messages: Sequence[Message]) -> int:
        """Store messages in order; return how many were acknowledged without a gap."""
        publisher = self._publisher
        if publisher is None:
            raise Unavailable(what="nats: not connected")
        packing = _Packing(self._subject, self._connection.client.max_payload - _FRAME_BYTES)
        count, trouble = await publisher.publish(messages, packing)
        if trouble is None:
            if packing.wrong is not None and packing.wrong.index == count:
                raise packing.wrong
            return count
        # Cure what can be cured before the caller comes again.
        if trouble.startswith(_FULL):
            trouble = await self._make_room(trouble)
        elif trouble == _GONE:
            await self._ensure_stream()
        if not count:
            raise Unavailable(what=f"nats: {trouble}")
        return count

    async def tail(self) -> Tail:
        """Return how far the store is; its identity is the moment at which the stream was made."""
        info = await self._ensure_stream()
        last: int = info.state.last_seq
        epoch = position = 0
        with translated(), suppress(NotFoundError):
            newest = await self._api.get_last_msg(self._stream, self._all)
            with suppress(LookupError, msgspec.MsgspecError):
                # This way the client parses headers as mail: a line that is not all ASCII comes as its `Header`, and as text
                # has signs for the letters of tenant and stream, which are not looked at here.
                message = envelope.message(str((newest.headers or {})[EVENT_HEADER]), b"")
                epoch, position = message.epoch, message.position
        return Tail(f"nats:{info.created}", last, epoch, position)

    async def subscribe(
        self, group: str, types: Sequence[str], *, in_order: bool = True, ack_seconds: float = 30.0, oldest: bool = False
    ) -> NatsSubscription:
        """Join a group; make it where there is none."""
        group, subject = word(group), covering(self._installation, types)

        def asked(deliver: DeliverPolicy) -> ConsumerConfig:
            return consumer_config(group, subject, in_order=in_order, ack_seconds=ack_seconds, deliver=deliver)

        async def remake() -> None:
            await self._ensure_stream()
            await self._ensure_consumer(group, asked, DeliverPolicy.ALL)

        await self._ensure_consumer(group, asked, DeliverPolicy.ALL if oldest else DeliverPolicy.NEW)
        address = (self._stream, group)
        joined = NatsSubscription(self._connection, address, frozenset(types), remake, in_order=in_order, ack_seconds=ack_seconds)
        await joined.open()
        return joined

    async def forget(self, group: str) -> None:
        """Remove a group nobody needs any more."""
        with translated(), suppress(NotFoundError):
            await self._api.delete_consumer(self._stream, word(group))

    @property
    def _api(self) -> Any:
        return self._connection.client.jetstream(timeout=_ANSWER_SECONDS)

    def _subject(self, message: Message) -> bytes:
        subject = self._subjects.get((message.tenant_id, message.type))
        if subject is None:
            if len(self._subjects) >= _SUBJECTS_MAX:
                self._subjects.clear()
            subject = event_subject(self._installation, message.tenant_id, message.type).encode()
            self._subjects[message.tenant_id, message.type] = subject
        return subject

    async def _ensure_stream(self) -> Any:
        """Return the stream's state; make or change it first if it is not as it should be."""
        asked = stream_config(self._stream, self._all, self._settings)
        with translated():
            try:
                info = await self._api.stream_info(self._stream)
                if _differs(asked.as_dict(), info.config.as_dict()):
                    info = await self._made(lambda: self._api.update_stream(asked))
            except NotFoundError:
                info = await self._made(lambda: self._api.add_stream(asked))
        agree(f"stream {self._stream}", asked.as_dict(), info.config.as_dict())
        return info

    async def _ensure_consumer(
        self, group: str, asked: Callable[[DeliverPolicy], ConsumerConfig], deliver: DeliverPolicy
    ) -> None:
        with translated():
            try:
                info = await self._api.consumer_info(self._stream, group)
                config = asked(info.config.deliver_policy)
                if _differs(config.as_dict(), info.config.as_dict()):
                    info = await self._made(lambda: self._api.add_consumer(self._stream, config))
            except NotFoundError:
                config = asked(deliver)
                info = await self._made(lambda: self._api.add_consumer(self._stream, config))
        agree(f"consumer {group}", config.as_dict(), info.config.as_dict())

    async def _made(self, make: Callable[[], Any]) -> Any:
        try:
            return await make()
        except (BadRequestError, ServerError) as error:
            raise _refused(f"stream {self._stream}", error) from error

    async def _make_room(self, trouble: str) -> str:
        """Remove what every group is done with; return what to say when the stream is still full."""
        with translated():
            info = await self._api.stream_info(self._stream)
            floor, behind = info.state.last_seq, ""
            for group in await self._api.consumers_info(self._stream):
                needed = info.state.last_seq
                if group.num_pending or group.num_ack_pending:
                    needed = group.ack_floor.stream_seq + 1
                if needed < floor:
                    floor, behind = needed, group.name
            if floor > info.state.first_seq:
                await self._api.purge_stream(self._stream, seq=floor)
                return f"{trouble}; room was made, publish again"
        whose = f": {info.state.messages} messages wait for group {behind}" if behind else ""
        return f"{trouble}{whose}; let it catch up, forget it, or give the stream more than {self._settings.bytes_max} bytes"


class _Packing:
    """One batch on its way into frames; stops at the first message that no server would take."""

    def __init__(self, subject: Callable[[Message], bytes], size_max: int) -> None:
        self.wrong: Unpublishable | None = None
        self._subject = subject
        self._size_max = size_max
        self._count = 0

    def __call__(self, messages: Sequence[Message]) -> list[Outgoing]:
        packed: list[Outgoing] = []
        for message in messages:
            line = envelope.head(message)
            if reason := envelope.flaw(message, len(line) + len(message.payload), self._size_max):
                self.wrong = Unpublishable(self._count + len(packed), reason)
                break
            packed.append((self._subject(message), envelope.key(message).encode(), line, message.payload))
        self._count += len(packed)
        return packed


def _differs(asked: dict[str, object], echoed: dict[str, object]) -> bool:
    return any(value is not None and echoed.get(name) != value for name, value in asked.items())


def _refused(what: str, error: APIError) -> BusRefused:
    text = f"nats: {what}: the server refuses it: {error.description} ({error.err_code})"
    return BusRefused(f"{text}; remove it, or bring its settings in line with ours, and start again")
