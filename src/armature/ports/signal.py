"""The seam for best-effort words between processes: wake up, look again. Nothing may depend on one arriving.

Laws (armature.conformance.signal proves them):
 1. When `listen` has returned, every signal that is sent to the subject afterwards, by any process, reaches the listener, as long
    as no connection breaks.
 2. A listener keeps what it has not yet been asked for, `backlog` signals at most; then the oldest are dropped and counted.
 3. A signal reaches every listener of its subject and no listener of another one.
 4. A connection that breaks is made anew without the listener doing anything; `lost` tells that signals may have been missed.
 5. `send` never waits for a listener. One that cannot be sent raises `Unavailable`.
"""

from typing import Protocol

__all__ = ["Listener", "Signal"]


class Listener(Protocol):
    """One listener of one subject; one task asks it at a time."""

    @property
    def lost(self) -> int:
        """How often signals may have been missed: drops of a full backlog and broken connections."""
        ...

    async def next(self, seconds: float) -> bytes | None:
        """Return the next signal's payload, in the order they came; None when none came within so long."""
        ...

    async def close(self) -> None:
        """Stop listening."""
        ...


class Signal(Protocol):
    """Fan-out without memory. Subjects are made by `engine.names` and carry tenant and module."""

    async def open(self) -> None:
        """Connect; `Unavailable` when the server is away."""
        ...

    async def close(self) -> None:
        """Let go of everything. A second close does nothing."""
        ...

    async def send(self, subject: str, payload: bytes = b"") -> None:
        """Tell everybody who listens to the subject now, this process included."""
        ...

    async def listen(self, subject: str, *, backlog: int = 64) -> Listener:
        """Begin to listen; the subscription is in force when this returns. `Unavailable` while the server is away."""
        ...
