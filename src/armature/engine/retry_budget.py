"""How much a caller may add to a host's trouble by trying again.

Without a budget, three attempts per call turn a host at its limit into one at three times its limit, and it stays down. So
calls earn retries and retries spend them (Finagle's retry budget): in the long run at most `ratio` retries per call,
whatever the number of attempts allowed to each.
"""

__all__ = ["RetryBudget"]

# What a host has before its first call, so that a call in a quiet hour may be tried again too; and the most that a long
# good time can save up for one bad moment.
_RESERVE = 3.0
_SAVINGS_MAX = 10.0


class RetryBudget:
    """One host's account. `earn` once per call, `spend` before each retry."""

    __slots__ = ("_balance", "_ratio")

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._balance = _RESERVE if ratio > 0 else 0.0

    def earn(self) -> None:
        """Count a call."""
        self._balance = min(_SAVINGS_MAX, self._balance + self._ratio)

    def spend(self) -> bool:
        """Take one retry, if there is one."""
        if self._balance < 1.0:
            return False
        self._balance -= 1.0
        return True
