"""How messages lie on the socket: four bytes of length and a msgpack list; all that waits goes into one."""

from collections.abc import Iterator, Sequence

import msgspec

__all__ = ["VERSION", "Frames", "WireBroken", "encode", "framed"]

VERSION = 1
"""Grows with each change of a message; both sides must have the same."""

FRAME_BYTES_MAX = 256 * 1_048_576
"""No honest frame is longer; what says it is comes from something else that talks on this socket."""

encode = msgspec.msgpack.Encoder(uuid_format="bytes").encode


class WireBroken(Exception):
    """What came over the socket cannot be read; the connection is given up."""


def framed(messages: Sequence[bytes]) -> bytes:
    """Return encoded messages as one frame."""
    body = encode([msgspec.Raw(one) for one in messages])
    return len(body).to_bytes(4, "little") + body


class Frames:
    """Cuts what arrives into frames."""

    def __init__(self) -> None:
        self._held = bytearray()

    def cut(self, data: bytes) -> Iterator[bytes]:
        """Yield the body of every frame that is whole by now."""
        held = self._held
        held += data
        at = 0
        try:
            while len(held) - at >= 4:
                length = int.from_bytes(held[at : at + 4], "little")
                if length > FRAME_BYTES_MAX:
                    raise WireBroken(f"a frame of {length} bytes")
                if len(held) - at < 4 + length:
                    return
                body = bytes(held[at + 4 : at + 4 + length])
                at += 4 + length
                yield body
        finally:
            del held[:at]
