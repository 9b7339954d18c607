"""Where a request's body ends, counted byte by byte, and how much of it we are willing to hear.

The parser behind us also finds the end; it is counted here as well because a cap must be enforced before the bytes are
kept, because the next request may only be looked at when this one is answered, and because of the chunked coding's many
spellings only one is safe to accept.
"""

import re
from collections.abc import Callable

from armature.edges.http.protocol_head import TOKEN, VALUE
from armature.edges.http.protocol_refusal import Refusal, Refused, malformed

__all__ = ["ChunkedBody", "SizedBody", "body_too_large"]

_QUOTED = rb'"[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]*+"'
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16}+)(?:;" + TOKEN + rb"++(?:=(?:" + TOKEN + rb"++|" + _QUOTED + rb"))?+)*+").fullmatch
_TRAILER = re.compile(TOKEN + rb"++:" + VALUE + rb"*+").fullmatch
# A size line is a few bytes; extensions are legal, read by nobody, and the usual vehicle of floods.
SIZE_LINE_MAX = 256
_TRAILERS = Refusal(431, "http:head_too_large", "Chunk extensions and trailer fields are too large.")


def body_too_large(bytes_max: int) -> Refusal:
    """The 413 for a body beyond the cap."""
    return Refusal(413, "http:body_too_large", f"A request body may have at most {bytes_max} bytes.")


class SizedBody:
    """A body of a declared length."""

    def __init__(self, length: int) -> None:
        self.left = length
        self.received = 0
        self.done = length == 0

    def take(self, data: bytes, start: int) -> int:
        """Count what of `data[start:]` belongs to the body; return where it ends."""
        used = min(self.left, len(data) - start)
        self.left -= used
        self.received += used
        self.done = self.left == 0
        return start + used


class ChunkedBody:
    """A chunked body: sizes, data, an optional trailer section. Raises `Refused` at the first byte out of place."""

    def __init__(self, bytes_max: int, overhead_max: int) -> None:
        self.bytes_max = bytes_max
        self.overhead_left = overhead_max
        self.received = 0
        self.done = False
        self._content = 0
        self._left = 0
        self._line = b""
        self._expect: Callable[[bytes], None] = self._size

    def take(self, data: bytes, start: int) -> int:
        """Follow the coding through `data[start:]`; return where the body ends, or the end of the data."""
        position = start
        while position < len(data) and not self.done:
            if self._left:
                used = min(self._left, len(data) - position)
                self._left -= used
                position += used
            else:
                position = self._read_line(data, position)
        self.received += position - start
        return position

    def _read_line(self, data: bytes, position: int) -> int:
        end = data.find(b"\n", position)
        stop = len(data) if end < 0 else end + 1
        self._line += data[position:stop]
        in_trailer = self._expect == self._trailer
        limit = self.overhead_left + 2 if in_trailer else SIZE_LINE_MAX
        if self._expect == self._after_data and not b"\r\n".startswith(self._line):
            raise Refused(malformed("chunk", "A chunk's data is longer than its size said."))
        if len(self._line) > limit:
            raise Refused(_TRAILERS if in_trailer else malformed("chunk", "A chunk's size line is too long."))
        if end < 0:
            return stop
        if not self._line.endswith(b"\r\n"):
            raise Refused(malformed("chunk", "Lines of a chunked body end with CR LF."))
        line, self._line = self._line[:-2], b""
        self._expect(line)
        return stop

    def _size(self, line: bytes) -> None:
        found = _SIZE(line)
        if found is None:
            raise Refused(malformed("chunk", "A chunk begins with its size in hexadecimal digits and CR LF."))
        self._spend(len(line) - len(found[1]))
        self._left = int(found[1], 16)
        self._content += self._left
        if self._content > self.bytes_max:
            raise Refused(body_too_large(self.bytes_max))
        if self._left:
            self._expect = self._after_data
        else:
            self._expect = self._trailer

    def _after_data(self, _: bytes) -> None:
        self._expect = self._size

    def _trailer(self, line: bytes) -> None:
        if not line:
            self.done = True
        elif not _TRAILER(line):
            raise Refused(malformed("chunk", "A trailer field needs a name and a colon, without spaces between."))
        self._spend(len(line))

    def _spend(self, overhead: int) -> None:
        self.overhead_left -= overhead
        if self.overhead_left < 0:
            raise Refused(_TRAILERS)
