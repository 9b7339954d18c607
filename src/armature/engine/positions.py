"""What a command tells its caller about where its events stand, so that the caller can ask to read its own writes.

Opaque outside: which log, which epoch of it, and the outbox id of the command's last event (laws 8). Signed, because a made-up
id would let a caller make every read wait; bound to log and epoch, because after a restore the same number means another event.

Where modules have logs of their own, a position says which: `quota:AAAA…`. A caller may send several, with commas between; who
reads takes the one of its log.
"""

import base64
import hashlib
import hmac
from collections.abc import Collection
from struct import Struct as Layout
from struct import error as LayoutError

from armature.engine.event_log import Identity
from armature.kernel.failure import FieldError
from armature.kernel.refusals import Invalid

__all__ = ["HEADER", "Passed", "Positions"]

HEADER = "Armature-Position"

_TAG_BYTES = 9  # with the two numbers 21 bytes, 28 letters without padding
_NUMBERS = Layout(">IQ")
_LOW = 0xFFFF_FFFF  # of an epoch; what is above it is in the tag alone


class Positions:
    """Writes and reads positions of one log with one key; all processes of an installation share the key.

    `name` is what the installation calls the log (empty: its first one), `others` are the names of its other logs.
    """

    def __init__(self, identity: Identity, key: bytes, name: str = "", others: Collection[str] = ()) -> None:
        self._prefix = f"{name}:" if name else ""
        self._name = name
        self._others = frozenset(others)
        self._epoch = identity.epoch & _LOW
        # One keyed state, copied for each position: half the price of keying anew.
        self._keyed = hashlib.blake2b(key=hashlib.sha256(key).digest(), digest_size=_TAG_BYTES, person=b"armature-pos")
        self._keyed.update(identity.log.encode() + b"\0")
        if above := identity.epoch >> 32:
            self._keyed.update(above.to_bytes(4))

    def encode(self, outbox_id: int) -> str:
        """Return the text for an outbox id."""
        body = _NUMBERS.pack(self._epoch, outbox_id)
        return self._prefix + base64.urlsafe_b64encode(body + self._tag(body)).decode()

    def decode(self, text: str) -> int | None:
        """Return the outbox id, None when all are of other logs; refuse text that this log, in this epoch, did not give out."""
        if not self._others:
            return self._decode(text.removeprefix(self._prefix))
        found = None
        for part in text.split(","):
            name, _, token = part.strip().rpartition(":")
            if name == self._name:
                found = self._decode(token)
            elif name not in self._others:
                raise _refused()
        return found

    def _decode(self, text: str) -> int:
        try:
            raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
            body, tag = raw[: _NUMBERS.size], raw[_NUMBERS.size :]
            epoch, outbox_id = _NUMBERS.unpack(body)
        except (ValueError, LayoutError):
            raise _refused() from None
        if epoch != self._epoch or not hmac.compare_digest(tag, self._tag(body)):
            raise _refused()
        return int(outbox_id)

    def _tag(self, body: bytes) -> bytes:
        state = self._keyed.copy()
        state.update(body)
        return state.digest()


class Passed:
    """Positions that another process writes and reads: here they are text, handed on as it is."""

    def encode(self, text: str) -> str:
        """Return the text."""
        return text

    def decode(self, text: str) -> str:
        """Return the text."""
        return text


def _refused() -> Invalid:
    return Invalid(errors=[FieldError(HEADER, "is not a position of this log; read again without it")])
