"""How messages travel in a conversation: those that are ready at the same time go together, as one message of gRPC.

MessagePack lists. What is asked bears a number; what is said bears the number of what it is said to.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Literal

import msgspec

__all__ = ["ANSWER", "GREETING", "LEAVING", "LOST", "REFUSED", "Asked", "Said", "asked_in", "asking", "said_in", "saying"]

ANSWER: Final = 0
LEAVING: Final = 1
"""Nothing was begun."""
REFUSED: Final = 2
"""Too large an answer; the content says so."""
LOST: Final = 3
"""It was begun, and there will be no answer; the content says why."""

Asked = tuple[int, bytes | None]
"""A message; None: nobody wants its answer any more."""

Said = tuple[int, Literal[0, 1, 2, 3], bytes]

# Enough for a crowd of ordinary messages; what is larger travels alone and holds up nobody behind it for long.
_BUNDLE_BYTES = 65_536
# So many are begun in one turn of the answerer's loop, a millisecond or two of it.
_BUNDLE_MESSAGES = 64

_encode = msgspec.msgpack.Encoder().encode
asked_in = msgspec.msgpack.Decoder(list[Asked]).decode
said_in = msgspec.msgpack.Decoder(list[Said]).decode

GREETING = _encode([])
"""The first thing said: whoever hears it may ask."""


def asking(queue: deque[Asked], wanted: Callable[[int], bool]) -> tuple[bytes, int]:
    """Take what goes together from the queue, without messages whose answers nobody wants; return it as bytes, and the highest
    number of a message in it.
    """
    bundle: list[Asked] = []
    size, highest = 0, 0
    while queue and size < _BUNDLE_BYTES and len(bundle) < _BUNDLE_MESSAGES:
        number, message = one = queue.popleft()
        if message is None:
            bundle.append(one)
        elif wanted(number):
            bundle.append(one)
            size += len(message)
            highest = number
    return _encode(bundle), highest


def saying(queue: deque[Said]) -> bytes:
    """Take what goes together from the queue; one that would make the bundle too long waits for the next."""
    bundle = [queue.popleft()]
    size = len(bundle[0][2])
    while queue and size + len(queue[0][2]) <= _BUNDLE_BYTES:
        one = queue.popleft()
        bundle.append(one)
        size += len(one[2])
    return _encode(bundle)
