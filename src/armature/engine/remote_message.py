"""What processes of one system say to each other: a call with everything that belongs to it, and what it came to.

MessagePack, fields by name: a release that knows a field more or less than its neighbour understands it all the same. Each
message is sealed with a key of the installation: who can reach a socket or a broker cannot yet make calls in anybody's name.
"""

import hashlib
import hmac
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from armature.kernel.failure import Kind
from armature.kernel.refusals import Unavailable

__all__ = ["Ask", "Forged", "LogAsked", "Seal", "Told", "platform_ask"]

T = TypeVar("T", bound=Struct)

_TAG_BYTES = 16


class Forged(Unavailable):
    """A part this call needs cannot serve it now: {what}."""


class LogAsked(Struct, frozen=True, omit_defaults=True):
    """A question to a log. `limit` 0 asks for its identity and head alone; `stream` for one stream's events up to `upto`."""

    after: int = 0
    limit: int = 0
    stream: tuple[str, str] | None = None
    upto: int = 0


class Ask(Struct, omit_defaults=True, gc=False):
    """A call. Sent to whoever hosts the operation's module."""

    operation: str
    tenant: str
    actor: str
    permissions: list[str]
    seconds: float
    """How long the answer is wanted, from now on; set anew for each attempt."""
    request_id: str
    correlation_id: str
    arguments: msgspec.Raw
    """MessagePack of the operation's arguments by name."""
    edge: str = "local"
    """Part of the scope of an idempotency key."""
    sent: list[bytes] = []
    """The arguments as they came over a wire: what a key's fingerprint is made of."""
    key: str | None = None
    if_match: str | None = None
    after: str | None = None
    """The position the caller wants to see applied."""
    trace: str | None = None
    address: str = ""
    look: int | None = None
    """Of a feed: the position after which events are wanted."""
    log: LogAsked | None = None
    """Asked of the platform there, not of an operation."""
    by_itself: bool = False
    asking: str = ""
    """The module that asks; empty for a caller from outside."""
    advises: bool = False


class Told(Struct, frozen=True, omit_defaults=True, gc=False):
    """What a call came to: an answer, or a refusal when `code` is there."""

    body: bytes = b""
    """The answer as canonical JSON."""
    position: str | None = None
    replayed: bool = False
    code: str = ""
    kind: Kind = Kind.BUG
    values: msgspec.Raw = msgspec.Raw(b"\x80")
    """MessagePack of the refusal's fields by name."""


class Seal:
    """Writes and reads messages with one key, derived from a secret that all processes of an installation share."""

    def __init__(self, secret: bytes) -> None:
        key = hashlib.sha256(b"armature links\0" + secret).digest()
        self._keyed = hashlib.blake2b(key=key, digest_size=_TAG_BYTES, person=b"armature-link")
        self._encode = msgspec.msgpack.Encoder().encode
        self._decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {
            Ask: msgspec.msgpack.Decoder(Ask),
            Told: msgspec.msgpack.Decoder(Told),
        }

    def close(self, message: Ask | Told) -> bytes:
        """Return the sealed bytes."""
        body = self._encode(message)
        return self._tag(body) + body

    def open(self, sealed: bytes, kind: type[T]) -> T:
        """Return the message; raises `Forged` for bytes that were not written with this key, or that nobody here can read."""
        tag, body = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(body)):
            raise Forged(what="another process, whose messages are not sealed with the same key; compare the secrets keys.cursor")
        try:
            message: T = self._decoders[kind].decode(body)
        except msgspec.MsgspecError as error:
            raise Forged(what=f"another process, whose messages this release cannot read: {error}") from None
        return message

    def _tag(self, body: bytes) -> bytes:
        state = self._keyed.copy()
        state.update(body)
        return state.digest()


def platform_ask(seconds: float, log: LogAsked | None = None) -> Ask:
    """Return what one platform asks the other, in nobody's name: about its log, or without that whether it is there."""
    nobody: list[str] = []
    nothing = msgspec.Raw(b"\x80")
    return Ask("", "", "", nobody, seconds, request_id="", correlation_id="", arguments=nothing, log=log)
