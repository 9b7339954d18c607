"""The log says once a day which of the certificates that a process shows end soon, whichever door they are shown at; no role,
because nobody else has the files."""

import logging
import math
from collections.abc import Mapping

from armature.runtime.certificates import DAYS_SOON, Watched
from armature.runtime.roles.rhythm import Rhythm

__all__ = ["LookingAtCertificates"]

log = logging.getLogger("armature.certificates")

_LOOK_SECONDS = 600.0


class LookingAtCertificates:
    """Looks at the files every ten minutes. `watched` names them by their door."""

    def __init__(self, watched: Mapping[str, Watched]) -> None:
        self._watched = watched
        self._told: dict[str, float] = {}
        self._loop = Rhythm("certificates", self.look, _LOOK_SECONDS)

    async def look(self) -> bool:
        """Tell of what ends soon, and has not been told of for a day; of what was renewed and ends soon all the same, at once."""
        for door, one in self._watched.items():
            days = one.days_left
            if days is None or days >= DAYS_SOON:
                self._told.pop(door, None)
            elif not 0 <= self._told.get(door, math.inf) - days < 1:
                self._told[door] = days
                log.warning("the certificate %s (%s) %s at %s", one.certificate, door, "ends" if days > 0 else "ended", one.ends)
        return False

    def start(self) -> None:
        """Begin to look."""
        self._loop.start()

    async def stop(self) -> None:
        """Look no more."""
        await self._loop.stop()

    def readiness(self) -> list[str]:
        """What ends soon is good until then, and what has ended is refused by those who are shown it: the process stays ready."""
        return []
