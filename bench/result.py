"""What a row says: series of numbers, the claims judged on them, and what makes the row void.

Pure, so that the judgement can be tested without a measurement. Rules: README.md, "Void rows".
"""

from statistics import median

from msgspec import Struct

from bench.wire import Wire

__all__ = ["LATE_SHARE_MAX", "Claim", "Result", "Series", "demand_core", "demand_quiet", "judge"]

LATE_SHARE_MAX = 0.01
PEER_SHORTFALL_MAX = 0.30
# Beyond these the row tells of the neighbours on the machine. Seen while others worked: ours at 28 % of its core beside a
# peer at 101 %, and a "does not hold" that meant nothing; it would have been "holds" with the two exchanged.
NOISE_MAX = 0.15
CORE_SHARE_MIN = 0.80
# A generator this busy may itself be the ceiling.
GENERATOR_BUSY_MAX = 0.95


class Series(Struct):
    """One contestant in one row: a value per round, and what was seen beside it."""

    name: str
    values: list[float] = []
    missing: str | None = None
    cpu_us: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    at_rate: float | None = None

    @property
    def median(self) -> float:
        return median(self.values) if self.values else 0.0

    @property
    def core_share(self) -> float | None:
        """Return the share of one core that was burnt. Well below 1 in a row that does not wait for a disk: a noisy machine."""
        return None if self.cpu_us is None else self.median * self.cpu_us / 1e6

    @property
    def spread(self) -> float:
        """Return (largest - smallest) / median over the rounds."""
        return (max(self.values) - min(self.values)) / self.median if self.median else 0.0


class Claim(Struct, frozen=True):
    """A figure that was promised: at least (or at most) `wanted`, and `found`."""

    text: str
    wanted: float
    found: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        return self.found <= self.wanted if self.at_most else self.found >= self.wanted


class Result(Struct):
    """A row. `void` lists the reasons why its numbers must not be quoted."""

    row: str
    title: str
    unit: str
    series: list[Series] = []
    claims: list[Claim] = []
    void: list[str] = []
    notes: list[str] = []
    promised: str = "ours"
    """The series of ours that the claims are about."""
    wires: list[Wire] = []
    """In place of `series` where each contestant is a way to ask, measured with one caller and with many."""

    def of(self, name: str) -> Series | None:
        """Return the series of that name if it was measured."""
        return next((one for one in self.series if one.name == name and one.values), None)


def judge(
    result: Result,
    *,
    times_peer: float | None = None,
    of_limit: float | None = None,
    peer_share: float | None = None,
    core_bound: bool = False,
    name: str = "ours",
) -> None:
    """Add claims, the noise of the run and the verdict on the peer.

    `peer_share` is the share of the limit that the peer reached when the figures were promised (docs: performance); beating a
    peer that is more than 30 % below it would prove nothing, so it is taken at that share. `core_bound` says that nothing in the
    row waits for a disk, so that whoever used less than most of a core was kept from it. `name` is the series that is promised.
    """
    result.promised = name
    ours, peer, limit, again = (result.of(one) for one in (name, "peer", "limit", "limit again"))
    share = peer.median / limit.median if peer and limit else None
    short = share is not None and peer_share is not None and share < peer_share * (1 - PEER_SHORTFALL_MAX)
    if ours and peer and times_peer is not None:
        taken = limit.median * peer_share if short and limit and peer_share else peer.median
        text = "x peer, taken at its share" if short else "x peer"
        result.claims.append(Claim(text, times_peer, ours.median / taken))
    if ours and limit and of_limit is not None:
        result.claims.append(Claim("of the limit", of_limit, ours.median / limit.median))
    if limit and again:
        demand_quiet(result, "limit", limit.median, again.median)
    for series in result.series if core_bound else []:
        demand_core(result, series.name, series.core_share)
    if share is not None and peer_share is not None:
        slower = f"; it is taken at that, and was {ours.median / peer.median:.1f} times slower" if short and ours and peer else ""
        result.notes.append(f"peer at {share:.1%} of the limit (expected {peer_share:.1%}{slower})")


def demand_quiet(result: Result, name: str, first: float, again: float) -> None:
    """Note how far something differs from itself in one run, and void the row if that is more than noise may be."""
    noise = abs(again / first - 1)
    result.notes.append(f"A/A noise, {name} against itself: {noise:.1%}")
    if noise > NOISE_MAX:
        result.void.append(f"the machine was not quiet: the {name} differs from itself by {noise:.1%}")


def demand_core(result: Result, name: str, share: float | None) -> None:
    """Void the row if somebody who waits for no disk had less than most of a core."""
    if share is not None and share < CORE_SHARE_MIN:
        result.void.append(f"the machine was not quiet: {name} had {share:.0%} of its core")
