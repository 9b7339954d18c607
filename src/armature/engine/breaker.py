"""When to stop asking a host that does not answer, and how to find out that it does again.

The usual faults of breakers, each excluded here by construction: failures that are never forgotten (a rolling window), one
failure of one call that opens it (a minimum volume), a half-open state that lets the whole herd through (one probe, and it has
a deadline, so a probe that vanished cannot hold the door shut), late answers of calls from before that open or close it (each
state has a generation, and a permit of another generation is ignored). What counts as a failure is the caller's to say: an
answer that says no is an answer.
"""

from typing import Literal, Protocol

from msgspec import Struct

__all__ = ["Barred", "Breaker", "BreakerPolicy", "Permit", "Verdict"]

# The window moves on in tenths: fine enough to forget smoothly, ten pairs of numbers per host.
_SLICES = 10

Verdict = Literal["good", "bad", "none"]


class BreakerPolicy(Protocol):
    """The numbers of a breaker, from whichever section of the policies."""

    @property
    def breaker_failure_ratio(self) -> float:
        """Share of failures in the window at which it opens."""
        ...

    @property
    def breaker_volume_min(self) -> int:
        """Calls in the window before it judges."""
        ...

    @property
    def breaker_window_seconds(self) -> float:
        """The window it looks at."""
        ...

    @property
    def breaker_open_seconds(self) -> float:
        """How long it refuses before it lets one call try."""
        ...


class Permit(Struct, frozen=True):
    """The right to make one call; hand it back with a verdict."""

    generation: int
    probe: bool = False


class Barred(Struct, frozen=True):
    """No call now; trying again sooner than `retry_after` seconds is useless."""

    retry_after: float


class _Window:
    """Good and bad calls of the last `seconds`, in slices."""

    __slots__ = ("_bad", "_good", "_slice", "_width")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / _SLICES
        self.clear()

    def clear(self) -> None:
        self._good = [0] * _SLICES
        self._bad = [0] * _SLICES
        self._slice = 0

    def add(self, bad: bool, now: float) -> None:
        self._forget(now)
        (self._bad if bad else self._good)[self._slice % _SLICES] += 1

    def count(self, now: float) -> tuple[int, int]:
        self._forget(now)
        return sum(self._good), sum(self._bad)

    def _forget(self, now: float) -> None:
        current = int(now / self._width)
        if current == self._slice:
            return
        for passed in range(max(self._slice + 1, current - _SLICES + 1), current + 1):
            self._good[passed % _SLICES] = self._bad[passed % _SLICES] = 0
        self._slice = max(self._slice, current)


class Breaker:
    """One host's circuit. Ask `enter` before each call, tell `settle` after it; time is handed in."""

    __slots__ = ("_policy", "_probe_until", "_window", "generation", "open_until")

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._window = _Window(policy.breaker_window_seconds)
        self._probe_until: float | None = None
        self.generation = 0
        self.open_until: float | None = None
        """Until when nothing is let through; None while the circuit is closed and calls flow."""

    def enter(self, now: float) -> Permit | Barred:
        """A permit for one call, or how long to stay away."""
        if self.open_until is None:
            return Permit(self.generation)
        if now < self.open_until:
            return Barred(self.open_until - now)
        if self._probe_until is not None and now < self._probe_until:
            return Barred(self._probe_until - now)
        self.generation += 1
        self._probe_until = now + self._policy.breaker_open_seconds
        return Permit(self.generation, probe=True)

    def settle(self, permit: Permit, verdict: Verdict, now: float) -> None:
        """Count a call's end. `none` says nothing of the host: the caller left, or nothing was sent."""
        if permit.generation != self.generation:
            return
        if permit.probe:
            self._settle_probe(verdict, now)
        elif self.open_until is None and verdict != "none":
            self._window.add(verdict == "bad", now)
            if verdict == "bad" and self._too_bad(now):
                self._open(now)

    def _settle_probe(self, verdict: Verdict, now: float) -> None:
        self._probe_until = None
        if verdict == "bad":
            self._open(now)
        elif verdict == "good":
            self.generation += 1
            self.open_until = None
            self._window.clear()
        else:
            self.generation += 1

    def _too_bad(self, now: float) -> bool:
        good, bad = self._window.count(now)
        total = good + bad
        return total >= self._policy.breaker_volume_min and bad >= self._policy.breaker_failure_ratio * total

    def _open(self, now: float) -> None:
        self.generation += 1
        self.open_until = now + self._policy.breaker_open_seconds
