"""Words between processes that the log has grown: `committed` wakes those who number it, `numbered` those who follow it.

Nothing rests on one arriving: who is told by nobody looks by himself, a little later. Many commits share one word.
"""

from collections.abc import Callable

from armature.engine.names import signal_subject
from armature.ports.signal import Listener, Signal
from armature.runtime.roles.rhythm import Rhythm

__all__ = ["COMMITTED", "NUMBERED", "Ear", "Mouth"]

COMMITTED = "armature.committed"
NUMBERED = "armature.numbered"

_NOBODY = "armature"
"""The tenant of words that are about no tenant."""
# A process that is told to stop waits so long for an ear.
_LISTEN_SECONDS = 0.25
_PAUSE_SECONDS = 1.0
_LINGER_SECONDS = 0.002


class Mouth:
    """Says one thing to the other processes, as often as there is reason to, and once for many reasons at a time."""

    def __init__(self, signal: Signal, installation: str, topic: str) -> None:
        self._signal = signal
        self._subject = signal_subject(installation, _NOBODY, topic)
        self._said = True
        # Numbering has gathered already.
        self._loop = Rhythm(f"hint {topic}", self._step, 60.0, _LINGER_SECONDS if topic == COMMITTED else 0.0)

    def wake(self) -> None:
        """Say it soon."""
        self._said = False
        self._loop.wake()

    def start(self) -> None:
        """Begin."""
        self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop()

    def readiness(self) -> list[str]:
        """A word that is not said makes nobody unready."""
        return []

    async def _step(self) -> bool:
        if not self._said:
            self._said = True
            await self._signal.send(self._subject)
        return False


class Ear:
    """Hears one thing, and wakes who waits for it; also when words may have been missed."""

    def __init__(self, signal: Signal, installation: str, topic: str, wake: Callable[[], None]) -> None:
        self._signal = signal
        self._subject = signal_subject(installation, _NOBODY, topic)
        self._wake = wake
        self._listener: Listener | None = None
        self._lost = 0
        self._loop = Rhythm(f"ear {topic}", self._step, _PAUSE_SECONDS)

    def start(self) -> None:
        """Begin to listen."""
        self._loop.start()

    async def stop(self) -> None:
        """End."""
        await self._loop.stop()
        if self._listener is not None:
            await self._listener.close()

    def readiness(self) -> list[str]:
        """Who hears nothing looks by himself."""
        return []

    async def _step(self) -> bool:
        if self._listener is None:
            self._listener = await self._signal.listen(self._subject, backlog=1)
            self._wake()
        heard = await self._listener.next(_LISTEN_SECONDS)
        if heard is not None or self._listener.lost != self._lost:
            self._lost = self._listener.lost
            self._wake()
        return True
