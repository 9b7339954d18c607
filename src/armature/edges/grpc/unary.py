"""One query or command over gRPC: reads what the pipeline needs, calls it, and answers. Compiled per operation at start.

A command that was handed over is carried through although its caller has left (laws 4), so a command runs in a task of its own;
until then the caller's leaving ends it as its deadline would.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import msgspec
from google.protobuf.message import DecodeError
from msgspec import Struct

from armature.edges.grpc.codec import Codec
from armature.edges.grpc.doors import Arrived, Entry, Metadata
from armature.edges.grpc.proto import ProtoMethod
from armature.edges.http.endpoint import Filled, PositionCodec, conditions
from armature.edges.http.refusals import PayloadTooLarge
from armature.engine.call import Call
from armature.engine.pipeline import Answer
from armature.engine.served import Served
from armature.kernel.failure import FieldError
from armature.kernel.refusals import Invalid, Malformed

__all__ = ["Asked", "Request", "Unary"]

Trailing = list[tuple[str, str | bytes]]

_json = msgspec.json.Encoder().encode
_OK = grpc.StatusCode.OK


class Asked(Struct, frozen=True):
    """Arguments as they came, in the form that all edges are judged in: texts of the path, and a JSON body."""

    path: Sequence[str]
    body: bytes


class Request:
    """Reads the request of one operation."""

    def __init__(self, pipeline: Served, method: ProtoMethod, codec: Codec) -> None:
        operation = pipeline.operation
        self._parse: Callable[[bytes], Any] = codec.maker(method.request).FromString
        self._values = codec.decoder(method.request)
        self._path = operation.path_fields
        self._texts = codec.texts(method.request, operation.path_fields) if not operation.body_fields else None
        self._bytes_max = operation.declared.body_bytes_max

    def message(self, data: bytes) -> Any:
        """Return the message; bytes that are none are refused."""
        if self._bytes_max is not None and len(data) > self._bytes_max:
            raise PayloadTooLarge(limit=self._bytes_max)
        try:
            return self._parse(data)
        except DecodeError:
            raise Malformed(reason="its bytes are no message of this method") from None

    def asked(self, message: Any) -> Asked:
        """Return what a message asks for."""
        if self._texts is not None and (texts := self._texts(message)) is not None:
            return Asked(texts, b"")
        values = self._values(message)
        missing = [FieldError(name, "is required") for name in self._path if name not in values]
        if missing:
            raise Invalid(errors=missing)
        path = [_segment(values.pop(name)) for name in self._path]
        return Asked(path, _json(values) if values else b"")


def _segment(value: Any) -> str:
    """Return a value as it stands in a path."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(msgspec.to_builtins(value))


class _Left:
    """The far end of a call: grpc tells us when it has gone."""

    __slots__ = ("gone",)

    def __init__(self) -> None:
        self.gone = False


class Unary:
    """Answers calls of one operation; `arriving` makes what grpc is given for each. `working`: commands that run on alone."""

    def __init__(
        self, entry: Entry, method: ProtoMethod, codec: Codec, positions: PositionCodec, prefix: str, working: set[Any]
    ) -> None:
        operation = entry.pipeline.operation
        declared = operation.declared
        self._entry = entry
        self._pipeline = entry.pipeline
        self._request = Request(entry.pipeline, method, codec)
        self._encode = codec.encoder(method.carrier) if method.carrier is not None else None
        self._positions = positions
        self._etag = declared.etag
        self._location = prefix + declared.location if declared.location else None
        self._result: Callable[[bytes], Any] = msgspec.json.Decoder(operation.result or Any).decode
        self._working = working
        self.answer = self._run if entry.pipeline.is_query else self._carried
        """Answers a call; `render` makes of it what is sent."""

    def arriving(self, metadata: Metadata) -> "_Call":
        """Return the handler of one call."""
        return _Call(self, self._entry, metadata)

    async def _carried(self, call: Call, data: bytes, came: Arrived) -> Answer:
        """Run in a task that outlives the caller."""
        left = call.caller = _Left()
        task = asyncio.create_task(self._run(call, data, came), name=self._entry.path)
        self._working.add(task)
        task.add_done_callback(self._done)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            left.gone = True
            raise

    def _done(self, task: "asyncio.Task[Answer]") -> None:
        self._working.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; when nobody did, nobody is to be told

    async def _run(self, call: Call, data: bytes, came: Arrived) -> Answer:
        pipeline, guard = self._pipeline, self._entry.doors.shared.guard
        if not guard.try_enter():
            await guard.wait(call.deadline)
        try:
            pipeline.authorise(call)
            if pipeline.rate is not None:
                await pipeline.limit(call)
            if came.headers:
                conditions(call, came.headers, self._positions)
            asked = self._request.asked(self._request.message(data))
            arguments = pipeline.arguments.from_body(asked.path, asked.body)
            sent = () if pipeline.is_query else (*map(str.encode, asked.path), asked.body)
            return await pipeline.run(call, arguments, "grpc", sent)
        finally:
            guard.leave()

    def render(self, answer: Answer, trailing: Trailing) -> bytes:
        """Return an answer as a message, and add to what trails it."""
        result = answer.result
        if answer.replayed:
            trailing.append(("idempotent-replayed", "true"))
        if result is None and self._encode is not None:
            # What was kept for a key is JSON; a result that is null comes out as null.
            result = self._result(answer.body)
        if answer.last_id is not None:
            trailing.append(("armature-position", self._positions.encode(answer.last_id)))
        if self._etag is not None and result is not None:
            trailing.append(("etag", f'"{getattr(result, self._etag)}"'))
        if self._location is not None:
            trailing.append(("location", self._location.format_map(Filled(result))))
        if self._encode is None:
            return b""
        body: bytes = self._encode(result).SerializeToString()
        return body


class _Call(Arrived):
    """One call of an operation."""

    response_streaming = False
    __slots__ = ("_unary",)

    def __init__(self, unary: Unary, entry: Entry, metadata: Metadata) -> None:
        super().__init__(entry, metadata)
        self._unary = unary

    async def stream_unary(self, _messages: Any, context: Any) -> bytes:
        """Answer; grpc asks for it by this name."""
        data = await self.message(context)
        unary, entry = self._unary, self.entry
        trailing: Trailing = []
        try:
            answer = await unary.answer(entry.call(self), data, self)
            body = unary.render(answer, trailing)
        except asyncio.CancelledError:
            entry.left(self)
            raise
        except Exception as error:
            await entry.refuse(error, self)
            raise
        if self.named:
            trailing.append(("x-request-id", self.request_id))
        if trailing:
            context.set_trailing_metadata(trailing)
        entry.ended(self, _OK, 200)
        return body
