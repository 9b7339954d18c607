"""Opaque page cursors: signed, so that nobody makes one up, and bound to tenant and operation, so that none is carried over."""

import base64
import hashlib
import hmac
from typing import Any, TypeVar

import msgspec

from armature.kernel.failure import FieldError
from armature.kernel.refusals import Invalid

__all__ = ["Cursors"]

T = TypeVar("T")

_TAG_BYTES = 12  # 96 bits: a forger who tries a million a second needs longer than the sun has


class Cursors:
    """Seals and opens cursors with one key; all processes of an installation share it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, scope: str, value: Any) -> str:
        """Return the cursor text for a plain value."""
        body = msgspec.msgpack.encode(value)
        return base64.urlsafe_b64encode(self._tag(scope, body) + body).rstrip(b"=").decode()

    def open(self, scope: str, text: str, kind: type[T]) -> T:
        """Return the value, or refuse a cursor that was forged, cut, or made for another tenant or list."""
        try:
            raw = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
            tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
            if hmac.compare_digest(tag, self._tag(scope, body)):
                return msgspec.msgpack.decode(body, type=kind)
        except (ValueError, msgspec.DecodeError):
            pass
        raise Invalid(errors=[FieldError("cursor", "is not a cursor of this list; start again without one")])

    def _tag(self, scope: str, body: bytes) -> bytes:
        return hmac.digest(self._key, scope.encode() + b"\0" + body, hashlib.sha256)[:_TAG_BYTES]
