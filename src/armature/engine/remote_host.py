"""Answers calls of other processes: the same pipeline as for everybody else, entered with what the message says.

Whoever sealed the message is a process of this installation, and answers for the identity in it; what that identity may do is
decided here again.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import msgspec
from msgspec import Struct

from armature.engine.call import NOBODY, Call, Identity
from armature.engine.delivery_log import DeliveryLog
from armature.engine.feeds import Feed, Source
from armature.engine.overload import Overloaded as NoTurn
from armature.engine.overload import OverloadGuard
from armature.engine.pipeline import OperationPipeline
from armature.engine.positions import Positions
from armature.engine.remote_feed import BEGIN, look
from armature.engine.remote_log import read_log
from armature.engine.remote_message import Ask, Forged, Repeated, Seal, Told
from armature.engine.served import Served
from armature.engine.trace import Tracer
from armature.engine.turnstile import Turnstile, seconds_accepted
from armature.kernel.failure import Failure, FieldError, Kind
from armature.kernel.refusals import Invalid, Overloaded, Unavailable

__all__ = ["HostParts", "RemoteHost"]

log = logging.getLogger("armature.links")

_encode = msgspec.msgpack.Encoder(enc_hook=str).encode


class HostParts(Struct, frozen=True):
    """What a host shares with its process."""

    seal: Seal
    positions: Positions
    guard: OverloadGuard
    log: DeliveryLog
    """The log of this process, for those who react to it elsewhere."""
    source: Source
    """Where the events of feeds come from."""
    tracer: Tracer
    crashed: Callable[[str, str, BaseException], None]
    """Told of a bug: operation, request id, error."""
    answering: Callable[[str], AbstractContextManager[None]] | None
    """Entered with the request's id while a call is answered."""
    ready: Callable[[], Sequence[str]] = tuple
    """Why this process should not be asked; empty when all is well."""
    turnstile: Turnstile | None = None
    """Where others can read what is sent, and send it again; None: they cannot."""


class _Hosted:
    """One operation, with the decoder of its arguments: what a newer neighbour sends beyond them is ignored."""

    def __init__(self, pipeline: Served) -> None:
        self.pipeline = pipeline
        self.span = f"neighbour {pipeline.operation.full_name}"
        fields = msgspec.structs.fields(pipeline.operation.arguments)
        lenient = msgspec.defstruct(
            f"{pipeline.operation.arguments.__name__}_sent", [_field(one) for one in fields], kw_only=True, frozen=True
        )
        self._decode: Callable[[Any], Any] = msgspec.msgpack.Decoder(lenient).decode
        self._optional = not all(one.required for one in fields)

    def arguments(self, raw: msgspec.Raw) -> dict[str, Any]:
        try:
            values = msgspec.structs.asdict(self._decode(raw))
        except msgspec.ValidationError as error:
            raise Invalid(errors=[FieldError("", str(error))]) from None
        if self._optional:
            values = {name: one for name, one in values.items() if one is not msgspec.UNSET}
        return self.pipeline.arguments.from_values(values)


def _field(one: msgspec.structs.FieldInfo) -> Any:
    if one.required:
        return one.name, one.type
    if one.default_factory is not msgspec.NODEFAULT:
        return one.name, one.type, msgspec.field(default_factory=one.default_factory)
    return one.name, one.type, one.default


class RemoteHost:
    """Hand `respond` to a `Links`."""

    def __init__(self, pipelines: Mapping[str, OperationPipeline], feeds: Mapping[str, Feed], parts: HostParts) -> None:
        self._hosted = {name: _Hosted(one) for name, one in pipelines.items()}
        self._feeds = {name: (_Hosted(one.pipeline), one) for name, one in feeds.items()}
        self._parts = parts

    async def respond(self, message: bytes) -> bytes:
        """Answer one message; nothing is raised but a cancellation."""
        seal, turnstile = self._parts.seal, self._parts.turnstile
        try:
            ask = seal.asked(message)
            if turnstile is not None:
                turnstile.admit(ask)
        except Forged as forged:
            return seal.tell(_noted(forged), forged.of)
        try:
            told = await self._told(ask)
        except Repeated as repeated:
            told = _noted(repeated)
        except Failure as failure:
            told = refused(failure)
        except Exception as error:
            self._parts.crashed(ask.operation, ask.request_id, error)
            told = Told(code="system:bug", kind=Kind.BUG)
        return seal.tell(told, ask.id)

    def _told(self, ask: Ask) -> Awaitable[Told]:
        """Return what answers; a call that nobody follows goes straight to its operation."""
        if ask.log is not None:
            return read_log(self._parts.log, ask.log)
        if not ask.operation:
            return self._there()
        if ask.look is not None:
            return self._look(ask)
        hosted = self._hosted.get(ask.operation)
        if hosted is None:
            raise Unavailable(what=f"the operation {ask.operation}, which this release does not have")
        if ask.trace is None and self._parts.answering is None and not self._parts.tracer.enabled:
            return self._run(hosted, ask, None)
        return self._followed(hosted, ask)

    async def _there(self) -> Told:
        """Answer who wants to know whether anybody is here."""
        return Told(code="link:not_ready", kind=Kind.UNAVAILABLE) if self._parts.ready() else Told()

    async def _followed(self, hosted: _Hosted, ask: Ask) -> Told:
        span, trace = self._parts.tracer.enter(hosted.span, ask.trace)
        answering = self._parts.answering
        try:
            with nullcontext() if answering is None else answering(ask.request_id):
                return await self._run(hosted, ask, trace)
        finally:
            if span is not None:
                span.end()

    async def _run(self, hosted: _Hosted, ask: Ask, trace: str | None) -> Told:
        pipeline = hosted.pipeline
        call = self._call(pipeline, ask, trace)
        pipeline.authorise(call)
        if pipeline.rate is not None:
            await pipeline.limit(call)
        arguments = hosted.arguments(ask.arguments)
        guard = self._parts.guard
        if not guard.try_enter():
            await self._turn(call)
        try:
            answer = await pipeline.run(call, arguments, ask.edge, ask.sent)
        finally:
            guard.leave()
        position = self._parts.positions.encode(answer.last_id) if isinstance(answer.last_id, int) else None
        return Told(body=answer.body, position=position, replayed=answer.replayed)

    async def _look(self, ask: Ask) -> Told:
        """A look takes no turn of the guard: it waits more than it works."""
        found = self._feeds.get(ask.operation)
        if found is None:
            raise Unavailable(what=f"the feed {ask.operation}, which this release does not have")
        hosted, feed = found
        call = self._call(hosted.pipeline, ask, ask.trace)
        hosted.pipeline.authorise(call)
        if ask.look == BEGIN:
            await hosted.pipeline.limit(call)
        return await look(feed, self._parts.source, call, hosted.arguments(ask.arguments), ask)

    def _call(self, pipeline: Served, ask: Ask, trace: str | None) -> Call:
        known = Identity(ask.actor, frozenset(ask.permissions), ask.by_itself) if ask.actor else NOBODY
        call = pipeline.new_call(ask.tenant, known, ask.request_id, min(ask.seconds, pipeline.deadline_seconds))
        call.correlation_id = ask.correlation_id
        call.trace = trace
        call.key = ask.key
        call.if_match = ask.if_match
        call.address = ask.address
        call.advises = ask.advises
        call.asking = ask.asking
        if self._parts.turnstile is not None:
            call.again = ask.id, seconds_accepted(ask)
        if ask.after is not None:
            call.after_id = self._parts.positions.decode(ask.after)
        return call

    async def _turn(self, call: Call) -> None:
        try:
            await self._parts.guard.wait(call.deadline)
        except NoTurn as full:
            raise Overloaded(retry_after_seconds=full.retry_after) from None


def _noted(forged: Forged) -> Told:
    """Return a refusal that somebody should look into."""
    log.warning("a message was refused, and nothing was done: %s: %s", forged.code, forged)
    return refused(forged)


def refused(failure: Failure) -> Told:
    """Return a refusal as it travels."""
    values = b"\x80"
    with suppress(TypeError):
        values = _encode(failure.values())
    return Told(code=failure.code, kind=failure.kind, values=msgspec.Raw(values), replayed=failure.replayed)
