"""The seam between processes of one system: ask whoever hosts a module, and answer for the modules one hosts.

Messages are bytes; what stands in them is the engine's. Whoever answers is found by the adapter: by addresses, by a folder of
sockets, or by a subject of a broker.

Laws (armature.conformance.links proves them):
 1. An answer belongs to the message it was given for, however many are under way.
 2. Each message goes to one of those who answer for its module, and each of them is used.
 3. `NotSent` is certain: nobody had the message. Whoever asks when nobody answers for the module is told so at once.
 4. An answerer that dies with the message in hand: `LinkLost`, without waiting for the end of `seconds`, wherever the connection
    to it can be seen to break; else `LinkLate`. `LinkLate` after `seconds` at the latest, whatever the other side does.
 5. `leave` stops new messages, and returns when those in hand are answered; their askers get these answers. It costs nobody an
    answer while another answers for the module, and where nobody does nobody is left in doubt.
 6. A message or an answer beyond `message_bytes_max` is refused with `LinkRefused`, and the link stays usable.
 7. An answerer that comes back is used again without the asker doing anything.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol

__all__ = ["LinkError", "LinkLate", "LinkLost", "LinkRefused", "Links", "NotSent", "Respond"]

Respond = Callable[[bytes], Awaitable[bytes]]
"""Answers one message. It is cancelled when nobody can want the answer any more, as far as the adapter learns of that."""


class LinkError(Exception):
    """A message without an answer; the text says why."""


class NotSent(LinkError):
    """Nobody had the message."""


class LinkLost(LinkError):
    """The message may have been worked on; its answer will not come."""


class LinkLate(LinkLost):
    """No answer in time."""


class LinkRefused(LinkError):
    """The message or its answer is too large, or the other side does not let us in."""


class Links(Protocol):
    """One process's way to the others."""

    async def open(self) -> None:
        """Be ready to ask; `Unavailable` when a server that carries messages is away."""
        ...

    async def close(self) -> None:
        """Let go of everything. A second close does nothing."""
        ...

    async def ask(self, module: str, message: bytes, seconds: float) -> bytes:
        """Return the answer of whoever answers for the module; raises a `LinkError` otherwise."""
        ...

    async def answer(self, modules: Collection[str], respond: Respond) -> None:
        """Answer for these modules from now on; it is in force when this returns."""
        ...

    async def leave(self) -> None:
        """Answer no more: finish what is in hand."""
        ...
