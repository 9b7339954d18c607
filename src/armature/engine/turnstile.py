"""Lets each message through once, and none that is old: who can read what passes on a broker can send it again.

A process remembers what it let through until that is too old. It knows nothing of the others of its group: what all of them see
is the key of a command, or the mark that a command without one leaves in its commit (`idempotency.py`). Decision 0045.
"""

import logging
import time
from collections.abc import Callable, Collection

from armature.engine.remote_message import Ask, Forged, Misled, Repeated, Stale

__all__ = ["SKEW_SECONDS", "Turnstile", "seconds_accepted"]

log = logging.getLogger("armature.links")

SKEW_SECONDS = 30.0
"""By how much the clocks of two machines may differ."""

_SLOT_SECONDS = 8.0
# At 100 bytes each. A process that took 12 000 messages a second, each for 10 s, would need as many.
_REMEMBERED_MAX = 500_000


def seconds_accepted(ask: Ask) -> float:
    """Return for how long a message is accepted at most, from now on and whatever the clocks say."""
    return ask.seconds + 2 * SKEW_SECONDS


class Turnstile:
    """For messages to `here`; ask it once for each, before anything is done."""

    def __init__(
        self, here: Collection[str], clock: Callable[[], float] = time.time, remembered_max: int = _REMEMBERED_MAX
    ) -> None:
        self._here = frozenset(here)
        self._clock = clock
        self._remembered_max = max(1, remembered_max)
        self._slots: dict[int, set[bytes]] = {}
        self._count = 0
        self._first = 0

    def admit(self, ask: Ask) -> None:
        """Let a message through, or raise `Misled`, `Stale` or `Repeated`."""
        if ask.to not in self._here:
            raise _to(ask, Misled(what=f"it was sent to '{ask.to}', which does not live here"))
        now, until = self._clock(), ask.sent_at + ask.seconds + SKEW_SECONDS
        # A message that comes again comes with the same times, so it is looked for in one place.
        slot = int(until // _SLOT_SECONDS)
        if until <= now or slot < self._first or ask.sent_at > now + SKEW_SECONDS:
            raise _to(ask, Stale(what=_age(now - ask.sent_at, ask.seconds)))
        ids = self._slots.get(slot)
        if ids is None:
            self._forget(now)
            ids = self._slots[slot] = set()
        if ask.id in ids:
            raise _to(ask, Repeated(what="it was taken before; somebody sends old messages again"))
        ids.add(ask.id)
        self._count += 1
        if self._count > self._remembered_max:
            self._make_room()

    def _forget(self, now: float) -> None:
        """Forget what is refused for its age from now on, also by a clock that is set back."""
        for slot in [one for one in self._slots if (one + 1) * _SLOT_SECONDS <= now]:
            self._count -= len(self._slots.pop(slot))
            self._first = max(self._first, slot + 1)

    def _make_room(self) -> None:
        """Forget those that are the next to be too old."""
        ids = self._slots.pop(min(self._slots))
        self._count -= len(ids)
        log.warning("%d messages were forgotten before their time: more come than are remembered", len(ids))


def _to(ask: Ask, refusal: Forged) -> Forged:
    refusal.of = ask.id
    return refusal


def _age(seconds: float, good_for: float) -> str:
    if seconds < 0:
        return f"by its sender's clock it is sent in {-seconds:.0f} s; set the clocks of the machines"
    return (
        f"by its sender's clock it was sent {seconds:.0f} s ago and was good for {good_for:.3g} s; "
        "the clocks of the machines differ, it waited for a process that stood still, or somebody sends old messages again"
    )
