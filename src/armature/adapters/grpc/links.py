"""Links over gRPC: one method, bytes in and bytes out, on a socket of this machine or on a port with mutual TLS.

gRPC's own retries are off: retries have one home (engine.remote_way). One channel for each target, and the targets in turn.

Who leaves says so before gRPC stops: a stopping server drops what just arrives without a word of whether it was run, and may hang
up before its last answers were read. So the socket's name goes first, new messages are refused with a mark that says that nothing
was begun, and when those in hand are answered there is as long a while as anybody's look at the folder may be old.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from pathlib import Path
from typing import Any

import grpc
from grpc import aio
from msgspec import Struct

from armature.adapters.grpc.folder import Occupied
from armature.adapters.grpc.hearing import Hearing
from armature.adapters.grpc.outcomes import NOT_TAKEN, Leaving, NotTaken, translated
from armature.adapters.grpc.talk import Talk
from armature.adapters.grpc.targets import LOOK_SECONDS, Target, Targets
from armature.adapters.grpc.tls import Tls
from armature.ports.links import LinkError, LinkLost, LinkRefused, NotSent, Respond

__all__ = ["GrpcLinks", "Place"]

_SERVICE = "armature.links.v1.Links"
_METHOD = f"/{_SERVICE}/Ask"
_TALK = f"/{_SERVICE}/Talk"
# A longer message goes alone: those behind it would wait for it.
_TALK_BYTES_MAX = 65_536
# Of a conversation that ended; and of one with a release that knows none.
_TALK_AGAIN_SECONDS = 1.0
_TALK_UNKNOWN_SECONDS = 60.0
_LEAVE_SECONDS = 30.0
# Nobody has asked for so long: all askers know of the leaving. On a busy machine what was sent before may still be on its way.
_NOTICE_SECONDS = LOOK_SECONDS + 0.05
# Who asks for a name asks on, for others answer behind it.
_NOTICE_SECONDS_MAX = 1.2
# For a GOAWAY to be understood where nothing is in hand.
_CLOSE_SECONDS = 1.0
# One that said that it leaves is not asked until it has left, which is two notices after its last refusal, later on a
# busy machine; of a message that meets it as it stops nobody could say what became.
_LEFT_SECONDS = 4 * _NOTICE_SECONDS
# A name may stand for several addresses, of which others stay; gRPC takes the next one for the next message.
_NAME_TRIES = 3
# What a target that cannot be reached is spared of, after the first failure.
_AVOID_SECONDS = 1.0
# Of more messages that wait for this process, gRPC would cancel some by chance (from 1 000 on). Who asks bounds himself, and
# whoever answers has a guard: here nothing is thrown away.
_PENDING_MAX = 1_000_000

_PATIENCE: list[tuple[str, Any]] = [
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # Also what a handshake may take: a busy machine, or one far away, needs more than a moment.
    ("grpc.min_reconnect_backoff_ms", 2_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # Channels to one target are not shared beneath us: a channel that is closed is closed.
    ("grpc.use_local_subchannel_pool", 1),
    # A name with several addresses is several replicas: each of them is used.
    ("grpc.lb_policy_name", "round_robin"),
]

_HOSPITALITY: list[tuple[str, Any]] = [
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.server.max_pending_requests", _PENDING_MAX),
    ("grpc.server.max_pending_requests_hard_limit", _PENDING_MAX),
]


class Place(Struct, frozen=True):
    """Where this process listens (a target as `unix:/path` or `host:port`; None: it answers nobody), and who answers for what."""

    listen: str | None
    hosts: Mapping[str, Sequence[str]]
    """By module: the processes that answer for it."""
    targets: Targets
    tls: Tls | None = None
    message_bytes_max: int = 4_194_304


class _Channel:
    """The way to one target."""

    def __init__(self, target: Target, options: list[tuple[str, Any]], credentials: grpc.ChannelCredentials | None) -> None:
        self.process, address = target.process, target.address
        self._channel = (
            aio.insecure_channel(address, options) if credentials is None else aio.secure_channel(address, credentials, options)
        )
        self.ask: Callable[..., Awaitable[bytes]] = self._channel.unary_unary(_METHOD)
        self.avoided_until = 0.0
        self.left_until = 0.0
        self.sole = target.sole
        self.tries = 1 if self.sole else _NAME_TRIES
        self.talk: Talk | None = None
        self._talk_at = 0.0
        self._closed = False

    def begin_talk(self, now: float) -> None:
        """Begin a conversation with whoever has just answered, unless one is begun; a name may stand for several."""
        if self.sole and self.talk is None and now >= self._talk_at and not self._closed:
            method: Any = self._channel.stream_stream(_TALK)
            # In a context of its own: it outlives the question that was the first.
            self.talk = Context().run(lambda: Talk(method(), self.process, self._talk_ended))

    def _talk_ended(self, code: grpc.StatusCode) -> None:
        self.talk = None
        pause = _TALK_UNKNOWN_SECONDS if code is grpc.StatusCode.UNIMPLEMENTED else _TALK_AGAIN_SECONDS
        self._talk_at = asyncio.get_running_loop().time() + pause

    def shun(self, now: float, *, leaving: bool) -> None:
        """Ask others first for a while; and this one not at all when it said so and there is no other behind its address."""
        self.avoided_until = now + _AVOID_SECONDS
        if leaving and self.sole:
            self.left_until = now + _LEFT_SECONDS

    async def close(self, grace_seconds: float | None = None) -> None:
        """Close it; calls under way may finish within `grace_seconds`."""
        self._closed = True
        if self.talk is not None:
            await self.talk.close(grace_seconds)
        await self._channel.close(grace_seconds)


class GrpcLinks:
    """`Links` over gRPC."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._channels: dict[Target, _Channel] = {}
        self._stamp = place.tls.stamp if place.tls is not None else ()
        self._closing: set[asyncio.Task[None]] = set()
        self._server: aio.Server | None = None
        self._folder: Occupied | None = None
        """Where our socket is."""
        self._leaving = False
        self._refused = 0
        self._in_hand = 0
        self._nothing_in_hand = asyncio.Event()
        self._nothing_in_hand.set()
        self._hearings: set[Hearing] = set()
        self._turns: dict[str, itertools.count[int]] = {module: itertools.count() for module in place.hosts}
        self.listening: str | None = None
        """Where it answers, once it does."""

    @property
    def talking(self) -> int:
        """With how many answerers a conversation is under way."""
        return sum(one.talk is not None and one.talk.open for one in self._channels.values())

    async def open(self) -> None:
        """Nothing is connected before it is needed."""

    async def close(self) -> None:
        """Let go of everything. A second close does nothing."""
        server, self._server = self._server, None
        if server is not None:
            self._turn_away()
            self._end_hearings()
            await server.stop(0 if self._in_hand else _CLOSE_SECONDS)
        self._vacate()
        channels, self._channels = self._channels, {}
        for channel in channels.values():
            await channel.close()
        for closing in tuple(self._closing):
            closing.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def ask(self, module: str, message: bytes, seconds: float) -> bytes:
        """Ask the next of those who answer; one that cannot be reached is passed over."""
        if len(message) > self._place.message_bytes_max:
            raise LinkRefused(f"the message has {len(message)} bytes, at most {self._place.message_bytes_max} are sent")
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        unreached: LinkError | None = None
        for channel in self._in_turn(module, clock()):
            if channel.left_until > clock():
                unreached = Leaving(f"'{module}': process '{channel.process}' is leaving")
                continue
            for _ in range(channel.tries):
                try:
                    return await self._exchange(channel, module, message, until - clock())
                except NotSent as error:
                    unreached = error
                    if not isinstance(error, NotTaken):
                        break
            channel.shun(clock(), leaving=isinstance(unreached, Leaving))
            self._place.targets.forget()
        raise unreached or NotSent(f"nobody answers for '{module}': no process that hosts it is up")

    async def answer(self, modules: Collection[str], respond: Respond) -> None:
        """Listen."""
        if self._place.listen is None:
            raise ValueError("this process was given no place to listen at")

        async def ask(message: bytes, context: aio.ServicerContext[bytes, bytes]) -> bytes:
            await self._admit(context)
            if self._turned_away():
                await context.abort(grpc.StatusCode.UNAVAILABLE, "leaving", NOT_TAKEN)
            answer = await self._in_hand_while(respond(message))
            if len(answer) > self._place.message_bytes_max:
                await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"the answer has {len(answer)} bytes")
            return answer

        async def counted(message: bytes) -> bytes:
            return await self._in_hand_while(respond(message))

        async def talk(_: object, context: aio.ServicerContext[bytes, bytes]) -> None:
            await self._admit(context)
            hearing = Hearing(context, counted, self._turned_away, self._place.message_bytes_max)
            self._hearings.add(hearing)
            try:
                await hearing.run()
            finally:
                self._hearings.discard(hearing)

        handlers: dict[str, Any] = {
            "Ask": grpc.unary_unary_rpc_method_handler(ask),
            "Talk": grpc.stream_stream_rpc_method_handler(talk),
        }
        server = aio.server(options=self._options(None))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
        if (socket := _socket(self._place.listen)) is not None:
            self._folder = Occupied(socket.parent)
        if self._place.tls is None:
            port = server.add_insecure_port(self._place.listen)
        else:
            port = server.add_secure_port(self._place.listen, self._place.tls.server())
        self.listening = self._place.listen if socket is not None else _with_port(self._place.listen, port)
        self._leaving = False
        await server.start()
        self._server = server

    async def leave(self) -> None:
        """Turn away what is new, finish what is in hand, give notice, and say GOAWAY."""
        if self._server is None:
            return
        self._turn_away()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._nothing_in_hand.wait()
        await self._quiet()
        server, self._server = self._server, None
        if server is not None:
            self._end_hearings()
            await server.stop(_CLOSE_SECONDS)
        self._vacate()

    def _vacate(self) -> None:
        if self._folder is not None:
            self._folder.leave()
        self._folder = None

    async def _quiet(self) -> None:
        """Wait until nobody is refused any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_NOTICE_SECONDS_MAX):
                seen = -1
                while seen != self._refused:
                    seen = self._refused
                    await asyncio.sleep(_NOTICE_SECONDS)

    def _turn_away(self) -> None:
        """Refuse what is new, and be found no more."""
        self._leaving = True
        if self.listening is not None and (socket := _socket(self.listening)) is not None:
            socket.unlink(missing_ok=True)

    async def _admit(self, context: aio.ServicerContext[bytes, bytes]) -> None:
        if self._place.tls is not None and not self._place.tls.admits(context.peer_identities()):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "this certificate names none of the processes that may ask")

    def _turned_away(self) -> bool:
        """Say whether we leave, and count whom that concerns."""
        self._refused += self._leaving
        return self._leaving

    def _end_hearings(self) -> None:
        for hearing in self._hearings:
            hearing.end()

    async def _in_hand_while(self, answer: Awaitable[bytes]) -> bytes:
        self._in_hand += 1
        self._nothing_in_hand.clear()
        try:
            return await answer
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._nothing_in_hand.set()

    def _in_turn(self, module: str, now: float) -> list[_Channel]:
        """Return the channels to those who answer for the module, the next in turn first, those in disgrace last."""
        targets = self._place.targets.of(self._place.hosts.get(module, ()))
        self._let_go(targets)
        channels = [self._channel(target) for target in targets]
        if len(channels) > 1:
            first = next(self._turns[module]) % len(channels)
            channels = channels[first:] + channels[:first]
            channels.sort(key=lambda one: one.avoided_until > now)
        return channels

    def _let_go(self, targets: list[Target]) -> None:
        """Close the channels to replicas that went, and all of them when our certificate was renewed."""
        if self._place.tls is not None and (stamp := self._place.tls.stamp) != self._stamp:
            self._stamp = stamp
            gone = list(self._channels)
        elif self._channels.keys() <= set(targets):
            return
        else:
            known = {one for processes in self._place.hosts.values() for one in self._place.targets.of(processes)}
            gone = [one for one in self._channels if one not in known]
        for target in gone:
            closing = asyncio.create_task(self._channels.pop(target).close(_LEAVE_SECONDS), name="link closing")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _channel(self, target: Target) -> _Channel:
        channel = self._channels.get(target)
        if channel is None:
            tls = self._place.tls
            channel = _Channel(target, self._options(target.process), tls.client() if tls is not None else None)
            self._channels[target] = channel
        return channel

    async def _exchange(self, channel: _Channel, module: str, message: bytes, seconds: float) -> bytes:
        talk = channel.talk
        if talk is not None and talk.open and len(message) <= _TALK_BYTES_MAX:
            return await talk.ask(module, message, max(0.001, seconds))
        try:
            answer = await channel.ask(message, timeout=max(0.001, seconds))
        except aio.AioRpcError as error:
            raise translated(module, channel.process, error, self._place.tls) from None
        except asyncio.CancelledError:
            asking = asyncio.current_task()
            if asking is not None and asking.cancelling():
                raise
            raise LinkLost(f"'{module}': the connection was closed while it was asked") from None
        except aio.UsageError:  # the channel was closed beneath us: the replica has gone
            raise NotSent(f"whoever answered for '{module}' has gone") from None
        if talk is None:
            channel.begin_talk(asyncio.get_running_loop().time())
        return answer

    def _options(self, process: str | None) -> list[tuple[str, Any]]:
        """Options of a channel to a process; None: of our own server."""
        size = self._place.message_bytes_max + 1_024
        options: list[tuple[str, Any]] = [
            ("grpc.max_receive_message_length", size),
            ("grpc.max_send_message_length", size),
            ("grpc.keepalive_time_ms", 10_000),
            ("grpc.keepalive_timeout_ms", 5_000),
        ]
        if process is None:
            return [*options, *_HOSPITALITY]
        if self._place.tls is not None:
            options.append(("grpc.ssl_target_name_override", process))
        return [*options, *_PATIENCE]


def _socket(listen: str) -> Path | None:
    """The file of a socket, None for a port."""
    return Path(listen.removeprefix("unix:")) if listen.startswith("unix:") else None


def _with_port(listen: str, port: int) -> str:
    return f"{listen.rpartition(':')[0]}:{port}"
