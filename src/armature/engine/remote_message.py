"""What processes of one system say to each other: a call with everything that belongs to it, and what it came to.

MessagePack, fields by name: a release that knows a field more or less than its neighbour understands it all the same. Each
message is sealed with a key of the installation: who can reach a socket or a broker cannot yet make calls in anybody's name.
Under the seal a question says which one it is, when it was sent and to whom, and an answer names its question; so neither is of
use a second time (decision 0045).
"""

import hashlib
import hmac
import time
from collections.abc import Callable
from itertools import count
from secrets import token_bytes

import msgspec
from msgspec import Struct

from armature.kernel.failure import Kind
from armature.kernel.refusals import Unavailable

__all__ = ["Ask", "Forged", "LogAsked", "Misled", "Repeated", "Seal", "Stale", "Told", "platform_ask"]

_TAG_BYTES = 16
_STEM_BYTES = _NUMBER_BYTES = 8
_FOREIGN = (
    "another process, whose messages are not sealed with the same key or not in the form of this release; "
    "compare the secrets keys.cursor, and then the releases"
)


class Forged(Unavailable):
    """A part this call needs cannot serve it now: {what}."""

    of = b""
    """The question that is refused, where its seal was good."""


class Stale(Forged, code="link:stale"):
    """A message between two processes came at a time at which it is not taken: {what}."""


class Misled(Forged, code="link:misled"):
    """A message between two processes came to one that it was not sent to: {what}."""


class Repeated(Forged, code="link:repeated"):
    """A message between two processes came a second time: {what}."""


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
    id: bytes = b""
    """Of this one message: each attempt has another."""
    sent_at: float = 0.0
    """Seconds since 1970 by the sender's clock."""
    to: str = ""
    """Whom it was sent to: the installation and the module."""


class Told(Struct, omit_defaults=True, gc=False):
    """What a call came to: an answer, or a refusal when `code` is there."""

    body: bytes = b""
    """The answer as canonical JSON."""
    position: str | None = None
    replayed: bool = False
    code: str = ""
    kind: Kind = Kind.BUG
    values: msgspec.Raw = msgspec.Raw(b"\x80")
    """MessagePack of the refusal's fields by name."""
    of: bytes = b""
    """The id of the question."""


class _Named(Struct):
    """What is read of a question that cannot be read."""

    id: bytes = b""


class Seal:
    """Writes and reads messages with one key, derived from a secret that all processes of an installation share.

    Questions and answers have a seal each, so that a question cannot be sent back as its own answer.
    """

    def __init__(self, secret: bytes, installation: str = "", clock: Callable[[], float] = time.time) -> None:
        key = hashlib.sha256(b"armature links\0" + secret).digest()
        self._question = hashlib.blake2b(key=key, digest_size=_TAG_BYTES, person=b"armature-ask")
        self._answer = hashlib.blake2b(key=key, digest_size=_TAG_BYTES, person=b"armature-told")
        self._installation = installation
        self._clock = clock
        # No two processes have the same stem, and no process the same number twice.
        self._stem = token_bytes(_STEM_BYTES)
        self._numbers = count()
        self._encode = msgspec.msgpack.Encoder().encode
        self._asked = msgspec.msgpack.Decoder(Ask)
        self._told = msgspec.msgpack.Decoder(Told)
        self._named = msgspec.msgpack.Decoder(_Named)

    def place(self, module: str) -> str:
        """Return what a message to a module says it was sent to."""
        return f"{self._installation}/{module}"

    def ask(self, question: Ask, module: str) -> bytes:
        """Return the sealed bytes of a question to a module, which becomes one that was never asked before."""
        question.id = self._stem + next(self._numbers).to_bytes(_NUMBER_BYTES)
        question.sent_at = self._clock()
        question.to = self.place(module)
        return _closed(self._encode(question), self._question)

    def tell(self, answer: Told, of: bytes) -> bytes:
        """Return the sealed bytes of an answer to the question with this id."""
        answer.of = of
        return _closed(self._encode(answer), self._answer)

    def asked(self, sealed: bytes) -> Ask:
        """Return a question; raises `Forged` for bytes that were not written with this key, or that nobody here can read."""
        body = _opened(sealed, self._question)
        try:
            return self._asked.decode(body)
        except msgspec.MsgspecError as error:
            forged = _unreadable(error)
            forged.of = self._id_in(body)
            raise forged from None

    def told(self, sealed: bytes, question: Ask) -> Told:
        """Return the answer to a question; raises `Forged` as `asked` does, and for the answer to another one."""
        body = _opened(sealed, self._answer)
        try:
            answer = self._told.decode(body)
        except msgspec.MsgspecError as error:
            raise _unreadable(error) from None
        if answer.of != question.id:
            raise Forged(what="another process, whose answer was given to another question; somebody sends old messages again")
        return answer

    def _id_in(self, body: bytes) -> bytes:
        try:
            return self._named.decode(body).id
        except msgspec.MsgspecError:
            return b""


def _closed(body: bytes, keyed: "hashlib.blake2b") -> bytes:
    return _tag(body, keyed) + body


def _opened(sealed: bytes, keyed: "hashlib.blake2b") -> bytes:
    tag, body = sealed[:_TAG_BYTES], sealed[_TAG_BYTES:]
    if not hmac.compare_digest(tag, _tag(body, keyed)):
        raise Forged(what=_FOREIGN)
    return body


def _tag(body: bytes, keyed: "hashlib.blake2b") -> bytes:
    state = keyed.copy()
    state.update(body)
    return state.digest()


def _unreadable(error: msgspec.MsgspecError) -> Forged:
    return Forged(what=f"another process, whose messages this release cannot read: {error}")


def platform_ask(seconds: float, log: LogAsked | None = None) -> Ask:
    """Return what one platform asks the other, in nobody's name: about its log, or without that whether it is there."""
    nobody: list[str] = []
    nothing = msgspec.Raw(b"\x80")
    return Ask("", "", "", nobody, seconds, request_id="", correlation_id="", arguments=nothing, log=log)
