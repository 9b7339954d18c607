"""How a run may end beside an answer and what the contract lists."""

from armature.kernel.refusals import DeadlineExceeded, PlatformRefusal, Unavailable
from armature.ports.http import OutboundRefused

__all__ = ["AskedInTurn", "UndeclaredFailure", "without_answer"]


def without_answer(refused: OutboundRefused) -> PlatformRefusal:
    """Return what a call to the outside that a module did not catch means to its caller."""
    if refused.reason == "deadline":
        return DeadlineExceeded()
    return Unavailable(what=f"{refused.host} ({refused.reason})", retry_after_seconds=refused.retry_after or 1.0)


class AskedInTurn(Unavailable):
    """A part this call needs cannot serve it now: {what}."""


class UndeclaredFailure(Exception):
    """A refusal that the contract does not know: a bug of the module, answered as one."""
