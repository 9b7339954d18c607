"""The way to one neighbour: so many calls at once, a breaker, retries within a budget, all under the caller's deadline.

Retries happen here and nowhere else (reliability e16). What was certainly not sent may always be sent again; what may have been
worked on only where a second time changes nothing: a query, or a command with a key.
"""

from collections.abc import Callable

from msgspec import Struct

from armature.engine.breaker import Breaker, Permit, Verdict
from armature.engine.outbound import Rhythm
from armature.engine.overload import Overloaded as NoTurn
from armature.engine.overload import OverloadGuard
from armature.engine.policies import NeighbourPolicy
from armature.engine.retry_budget import RetryBudget
from armature.kernel.refusals import DeadlineExceeded, PlatformRefusal, Unavailable, UnknownOutcome
from armature.ports.links import LinkError, LinkLate, LinkLost, LinkRefused, Links, NotSent

__all__ = ["Errand", "Way"]

_BACKOFF_SECONDS = 0.02
_BACKOFF_SECONDS_MAX = 0.5
# Callers in a hurry open no breaker: lateness speaks against the neighbour only when it had so long.
_PATIENCE_SECONDS = 1.0
# The neighbour ends a little before we stop listening: what it says of its own end is certain, our lateness is not.
_AHEAD_SECONDS_MAX = 0.05


class Errand(Struct, frozen=True):
    """One call on its way. `write` makes the message, with the seconds that the neighbour has; the same for all attempts else."""

    write: Callable[[float], bytes]
    deadline: float
    reads: bool
    """True when it changes nothing."""
    keyed: bool
    """True when a second time changes nothing."""


class Way:
    """Asks one module. `outcome` is told how each exchange ended: ok, late, lost, unreached, refused, barred."""

    def __init__(
        self,
        module: str,
        links: Links,
        policy: NeighbourPolicy,
        outcome: Callable[[str, str], None] = lambda module, word: None,
        rhythm: Rhythm | None = None,
    ) -> None:
        self.module = module
        self._links = links
        self._policy = policy
        self._outcome = outcome
        self._rhythm = rhythm or Rhythm()
        self._guard = OverloadGuard(running_max=policy.running_max, waiting_max=policy.waiting_max, clock=self._rhythm.clock)
        self._breaker = Breaker(policy)
        self._budget = RetryBudget(policy.retry_ratio_max)

    @property
    def barred(self) -> bool:
        """True while nothing is let through."""
        return self._breaker.open_until is not None

    async def ask(self, errand: Errand) -> bytes:
        """Return the answer; raises `Unavailable` with the cause, `DeadlineExceeded` where nothing can have happened, and
        `UnknownOutcome` where something may have.
        """
        try:
            if not self._guard.try_enter():
                await self._guard.wait(errand.deadline)
        except NoTurn as full:
            raise self._unavailable("too many calls to it are under way", full.retry_after) from None
        self._budget.earn()
        try:
            return await self._attempt(errand)
        except LinkRefused as error:
            raise self._unavailable(str(error)) from error
        except LinkError as error:
            return await self._again(errand, error)
        finally:
            self._guard.leave()

    async def _again(self, errand: Errand, error: LinkError) -> bytes:
        """Try once more, and once more, as far as that changes nothing twice and the budget lasts."""
        attempt, doubtful = 1, False
        while True:
            doubtful = doubtful or isinstance(error, LinkLost)
            pause = self._rhythm.chance() * min(_BACKOFF_SECONDS_MAX, _BACKOFF_SECONDS * 2.0**attempt)
            harmless = isinstance(error, NotSent) or errand.reads or errand.keyed
            in_time = self._rhythm.clock() + pause < errand.deadline
            if not (harmless and in_time and attempt < self._policy.attempts_max and self._budget.spend()):
                raise self._ended(errand, error, doubtful) from error
            attempt += 1
            await self._rhythm.sleep(pause)
            try:
                return await self._attempt(errand)
            except LinkRefused as refused:
                raise self._ended(errand, refused, doubtful) from refused
            except LinkError as again:
                error = again
            except PlatformRefusal as refused:
                # Barred, or out of time: certain of this attempt, and not of those before it.
                if doubtful and not errand.reads:
                    raise UnknownOutcome from refused
                raise

    async def _attempt(self, errand: Errand) -> bytes:
        now = self._rhythm.clock()
        seconds = errand.deadline - now
        if seconds <= 0:
            raise DeadlineExceeded
        permit = self._breaker.enter(now)
        if not isinstance(permit, Permit):
            self._outcome(self.module, "barred")
            raise self._unavailable("it failed too often just now and is left alone for a while", permit.retry_after)
        verdict: Verdict = "none"
        word = "left"
        try:
            message = errand.write(seconds - min(_AHEAD_SECONDS_MAX, seconds / 10))
            answer = await self._links.ask(self.module, message, seconds)
            verdict, word = "good", "ok"
            return answer
        except LinkLate:
            verdict, word = ("bad" if seconds >= _PATIENCE_SECONDS else "none"), "late"
            raise
        except LinkRefused:
            verdict, word = "good", "refused"
            raise
        except LinkError as error:
            verdict, word = "bad", "unreached" if isinstance(error, NotSent) else "lost"
            raise
        finally:
            # Also when the caller is cancelled: a probe's permit must come back.
            self._breaker.settle(permit, verdict, self._rhythm.clock())
            self._outcome(self.module, word)

    def _ended(self, errand: Errand, error: LinkError, doubtful: bool) -> PlatformRefusal:
        if doubtful and not errand.reads:
            return UnknownOutcome()
        if isinstance(error, LinkLate):
            return DeadlineExceeded()
        return self._unavailable(str(error))

    def _unavailable(self, why: str, retry_after: float = 1.0) -> Unavailable:
        return Unavailable(what=f"module '{self.module}': {why}", retry_after_seconds=max(1.0, retry_after))
