"""What every call over gRPC passes, whatever it asks for: who calls, by which name, and what is told and counted of it."""

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from time import perf_counter
from typing import Any
from urllib.parse import unquote

import grpc

from armature.edges.grpc.status import Refusal, Refusals
from armature.edges.grpc.unheard import Unheard
from armature.edges.http.app import Bug, Doors, Line
from armature.edges.http.problem import status_of as http_status_of
from armature.edges.http.said_once import refuse_repeats
from armature.engine.call import NOBODY, Call
from armature.engine.ids import request_ids
from armature.engine.meters import Buckets, Cell
from armature.engine.overload import Overloaded as NoTurn
from armature.engine.served import Served
from armature.engine.telemetry import Counter, Histogram
from armature.kernel.failure import Failure, Kind
from armature.kernel.refusals import Overloaded
from armature.ports.trace import Span

__all__ = ["Arrived", "Entry", "GrpcDoors", "Headers", "Metadata"]

Headers = dict[bytes, bytes]
Metadata = Iterable[tuple[str, Any]]
# What is looked at; the rest of a call's metadata is passed over.
_KNOWN = {
    name: name.encode()
    for name in (
        "armature-position",
        "authorization",
        "idempotency-key",
        "if-match",
        "traceparent",
        "x-actor",
        "x-forwarded-for",
        "x-request-id",
        "x-roles",
        "x-tenant-id",
    )
}
_OK = grpc.StatusCode.OK
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{8,64}")


class GrpcDoors:
    """The parts that all methods of a process share; those of HTTP serve here too."""

    def __init__(self, doors: Doors, refusals: Refusals, meters: tuple[Counter, Histogram], unheard: Unheard) -> None:
        self.shared = doors
        self.open = 0
        """Calls that have come in and not ended."""
        self.refusals = refusals
        self.unheard = unheard
        self.request_id = request_ids()
        self.handled, self.seconds = meters


class Arrived:
    """One call that came in: its metadata, its name, its trace. `named`: the caller gave it the name, and wants it back.

    It is also the handler that grpc is given for this one call; a subclass says what it answers. `metadata` is what grpc read
    to find the method: asking `context` for it would read it again.
    """

    # grpc waits for the one message of a unary call without end, and answers none that has no message: we read it ourselves.
    request_streaming = True
    # Bytes come in and go out: who reads them also refuses them.
    request_deserializer = None
    response_serializer = None
    __slots__ = ("began", "context", "entry", "fields", "headers", "named", "request_id", "span", "trace")

    def __init__(self, entry: "Entry", metadata: Metadata) -> None:
        self.began = perf_counter()
        self.entry = entry
        self.context: Any = None
        """What grpc says of the call, once it runs."""
        self.fields = [
            (known, value.encode("latin-1", "replace")) for name, value in metadata if (known := _KNOWN.get(name)) is not None
        ]
        self.headers: Headers = dict(self.fields)
        sent = self.headers.get(b"x-request-id")
        self.named = sent is not None and _REQUEST_ID.fullmatch(sent) is not None
        self.request_id = sent.decode() if sent is not None and self.named else entry.doors.request_id()
        self.span: Span | None = None
        self.trace: str | None = None

    async def message(self, context: Any) -> bytes:
        """Return what the caller sent, and take the call up; one who sends nothing in time, or nothing at all, is refused."""
        try:
            data: bytes = await self.entry.doors.unheard.message(context)
        except Failure as failure:
            self.begins(context)
            await self.entry.refuse(failure, self)
            raise
        self.begins(context)
        return data

    def begins(self, context: Any) -> None:
        """Take the call up: it has its message; `ended` or `left` must be told of its end."""
        self.context = context
        doors = self.entry.doors
        doors.open += 1
        tracer, parent = doors.shared.tracer, self.headers.get(b"traceparent")
        if tracer.enabled or parent is not None:
            self.span, self.trace = tracer.enter(self.entry.span_name, parent.decode("latin-1") if parent else None)

    def address(self, doors: Doors) -> str:
        """Where the call came from, as far as our own proxies vouch for it."""
        forwarded = self.headers.get(b"x-forwarded-for")
        return doors.proxies.client_address(_peer(self.context.peer()), [forwarded] if forwarded is not None else [])


class Entry:
    """The door of one method."""

    def __init__(self, pipeline: Served, service: str, method: str, doors: GrpcDoors) -> None:
        self.pipeline = pipeline
        self.doors = doors
        self.name = pipeline.operation.full_name
        self.path = f"/{service}/{method}"
        self.span_name = f"{service}/{method}"
        self._domain = service.rpartition(".")[0]
        self._bind: Callable[[str], Cell] = lambda code: doors.handled.bind(service, method, code)
        self._answered: Cell | None = None
        self._codes: dict[str, Cell] = {}
        self._seconds: Buckets = doors.seconds.bind(service, method)

    def call(self, came: Arrived) -> Call:
        """Return the context of the call: the client's deadline counts where it is the shorter one."""
        if len(came.headers) != len(came.fields):
            refuse_repeats(came.fields)
        shared, pipeline = self.doors.shared, self.pipeline
        identity, tenant = shared.identity.find(came.headers)
        seconds = pipeline.deadline_seconds
        remaining = came.context.time_remaining()
        if remaining is not None and remaining < seconds:
            seconds = remaining
        call = pipeline.new_call(tenant, identity, came.request_id, seconds)
        call.trace = came.trace
        if identity is NOBODY:
            call.address = came.address(shared)
        return call

    def refusal(self, error: Exception, came: Arrived) -> tuple[Refusal, int]:
        """Turn what was raised into what is told, and into the number that the access log knows it by."""
        shared, internals = self.doors.shared, None
        if isinstance(error, NoTurn):
            failure: Failure = Overloaded(retry_after_seconds=error.retry_after)
        elif isinstance(error, Failure):
            failure = error
            if failure.kind is Kind.UNAVAILABLE:
                shared.hooks.unavailable()
        else:
            shared.hooks.crashed(self.name, came.request_id, error)
            internals = f"{type(error).__name__}: {error}" if shared.show_details else None
            failure = Bug()
        return self.doors.refusals.of(failure, self._domain, internals), http_status_of(type(failure))

    async def refuse(self, error: Exception, came: Arrived) -> None:
        """Tell the caller that the call was refused; this raises, as grpc wants it."""
        refusal, number = self.refusal(error, came)
        self.ended(came, refusal.code, number)
        await came.context.abort(refusal.code, refusal.text, (*refusal.trailing, ("x-request-id", came.request_id)))

    def ended(self, came: Arrived, code: Any, number: int) -> None:
        """Count a call, and tell of it."""
        self.doors.open -= 1
        seconds = perf_counter() - came.began
        # Nearly all; the name of an enum's member is no plain attribute.
        cell = self._answered if code is _OK else self._codes.get(code.name)
        if cell is None:
            cell = self._first(code)
        cell.add()
        self._seconds.observe(seconds)
        if came.span is not None:
            came.span.attributes["rpc.grpc.status_code"] = code.value[0]
            came.span.end()
        shared = self.doors.shared
        if number >= shared.access.threshold and shared.access.wants():
            client = came.address(shared)
            shared.hooks.answered(Line("GRPC", self.path, self.name, number, seconds, came.request_id, came.trace, client))

    def left(self, came: Arrived) -> None:
        """Count a call whose caller has left."""
        self.ended(came, grpc.StatusCode.CANCELLED, 0)

    def _first(self, code: Any) -> Cell:
        cell = self._codes[code.name] = self._bind(code.name)
        if code is _OK:
            self._answered = cell
        return cell


def _peer(peer: str) -> str:
    """The address in `ipv4:127.0.0.1:4711` or `ipv6:%5B::1%5D:4711`; empty for a socket without addresses."""
    kind, _, rest = unquote(peer).partition(":")
    host = rest.rpartition(":")[0].strip("[]")
    try:
        return str(ip_address(host)) if kind in ("ipv4", "ipv6") else ""
    except ValueError:
        return ""
