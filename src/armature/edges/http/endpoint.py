"""One operation over HTTP: reads what the pipeline needs from the head, calls it, and renders the answer.

Compiled per operation at start. Nothing here decides anything about the business; a status other than the declared one
comes from the table of failures.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl

import msgspec

from armature.edges.http.protocol_exchange import Exchange
from armature.edges.http.refusals import ClientLeft, PayloadTooLarge, UnsupportedMediaType
from armature.engine.call import Call
from armature.engine.pipeline import Answer
from armature.engine.served import Served
from armature.kernel.failure import FieldError
from armature.kernel.refusals import Invalid

__all__ = ["Endpoint", "Filled", "Headers", "PositionCodec", "Response", "conditions", "matches"]

Headers = Mapping[bytes, bytes]
Response = tuple[int, list[tuple[bytes, bytes]], bytes]

_KEY_MAX = 255
_JSON = (b"content-type", b"application/json")


class PositionCodec(Protocol):
    """Turns outbox ids into what callers see, and back."""

    def encode(self, outbox_id: Any) -> str:
        """Return the opaque text."""
        ...

    def decode(self, text: str) -> Any:
        """Return the id a reader waits for; foreign text is refused."""
        ...


class Endpoint:
    """Answers requests for one operation."""

    def __init__(self, pipeline: Served, positions: PositionCodec, prefix: str) -> None:
        operation = pipeline.operation
        self.pipeline = pipeline
        self.operation = operation
        self.template = prefix + operation.path
        self._positions = positions
        self._status = operation.declared.status
        self._etag = operation.declared.etag
        self._location = prefix + operation.declared.location if operation.declared.location else None
        self._has_body = operation.method in ("POST", "PUT", "PATCH", "DELETE")
        self._decode_result: Callable[[bytes], Any] = msgspec.json.Decoder(operation.result or Any).decode
        self.body_bytes_max = operation.declared.body_bytes_max

    async def respond(
        self, scope: Any, receive: Callable[[], Awaitable[Any]], call: Call, headers: Headers, path: Sequence[str]
    ) -> Response:
        """Answer one request; `call` is new, `path` holds the values of the template's parameters."""
        pipeline = self.pipeline
        caller = getattr(receive, "__self__", None)
        # Only our own protocol knows whether the caller has left; another server's objects are not asked.
        exchange = call.caller = caller if isinstance(caller, Exchange) else None
        pipeline.authorise(call)
        if pipeline.rate is not None:
            await pipeline.limit(call)
        conditions(call, headers, self._positions)
        query: bytes = scope["query_string"]
        if self._has_body:
            body = exchange.whole_body() if exchange is not None else None
            if body is None:
                body = await _read_body(receive)
            if body and not _is_json(headers.get(b"content-type", b"")):
                raise UnsupportedMediaType
            if self.body_bytes_max is not None and len(body) > self.body_bytes_max:
                raise PayloadTooLarge(limit=self.body_bytes_max)
            arguments = pipeline.arguments.from_body(path, body)
            if query:
                names = [name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)]
                raise Invalid(errors=[FieldError(name, "unknown query parameter; send it in the body") for name in names])
            answer = await pipeline.run(call, arguments, "http", (*map(str.encode, path), body))
        else:
            pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True) if query else ()
            answer = await pipeline.run(call, pipeline.arguments.from_query(path, pairs), "http", ())
        return self._render(answer, headers, scope)

    def _render(self, answer: Answer, sent: Headers, scope: Any) -> Response:
        headers: list[tuple[bytes, bytes]] = []
        result = answer.result
        if answer.replayed:
            headers.append((b"idempotent-replayed", b"true"))
            if self._etag or self._location:
                result = self._decode_result(answer.body)
        if answer.last_id is not None:
            headers.append((b"armature-position", self._positions.encode(answer.last_id).encode()))
        if self._etag is not None and result is not None:
            etag = b'"%d"' % getattr(result, self._etag)
            headers.append((b"etag", etag))
            seen = sent.get(b"if-none-match")
            if seen is not None and self.pipeline.is_query and matches(seen, etag):
                return 304, headers, b""
        if self._location is not None:
            where: str = scope.get("root_path", "") + self._location.format_map(Filled(result))
            headers.append((b"location", where.encode()))
        if self._status == 204:
            return 204, headers, b""
        headers.append(_JSON)
        return self._status, headers, answer.body


class Filled(dict[str, Any]):
    """The fields of a result, for the template of its address."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self._result = result

    def __missing__(self, name: str) -> Any:
        return getattr(self._result, name)


def conditions(call: Call, headers: Headers, positions: PositionCodec) -> None:
    """Take what a caller says beside the arguments: the key of a retry, the version it knows, the position it wants to see."""
    key = headers.get(b"idempotency-key")
    if key is not None:
        call.key = _key(key)
    if_match = headers.get(b"if-match")
    if if_match is not None:
        call.if_match = _version(if_match)
    position = headers.get(b"armature-position")
    if position is not None:
        call.after_id = positions.decode(position.decode("latin-1"))


async def _read_body(receive: Callable[[], Awaitable[Any]]) -> bytes:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientLeft
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    parts = [body]
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeft
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _is_json(content_type: bytes) -> bool:
    if content_type == b"application/json":
        return True
    kind = content_type.partition(b";")[0].strip().lower()
    return kind in (b"application/json", b"application/merge-patch+json")


def _key(value: bytes) -> str:
    """Return the key; `k1` and `"k1"` are one key (draft-ietf-httpapi-idempotency-key-header quotes it)."""
    text = value.decode("latin-1")
    if not text.isalnum():
        text = text.strip()
        if len(text) > 1 and text[0] == text[-1] == '"':
            text = text[1:-1]
    if not 0 < len(text) <= _KEY_MAX or not text.isascii() or not text.isprintable():
        raise Invalid(errors=[FieldError("Idempotency-Key", f"expected 1 to {_KEY_MAX} printable ASCII characters")])
    return text


def _version(value: bytes) -> str:
    text = value.decode("latin-1").strip()
    if text == "*":
        return text
    if len(text) < 3 or text[0] != '"' or text[-1] != '"' or "," in text:
        raise Invalid(errors=[FieldError("If-Match", 'expected one strong entity tag, as "7", or *')])
    return text[1:-1]


def matches(seen: bytes, etag: bytes) -> bool:
    """Say whether an If-None-Match names the entity tag; weak tags compare as strong ones do (RFC 9110 13.1.2)."""
    if seen == etag or seen == b"*":
        return True
    return any(tag.strip().removeprefix(b"W/") == etag for tag in seen.split(b","))
