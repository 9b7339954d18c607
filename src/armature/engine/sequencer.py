"""Numbering the log where the database does not do it by itself, batch after batch for as long as more is waiting.

Any number of processes may do this at once: they take turns by the lock on the log's head, so the role needs no lease and
loses no time when one of them is killed.
"""

from collections.abc import Callable

from armature.engine.policies import DeliveryPolicy
from armature.ports.numbering import Numbering

__all__ = ["Sequencer"]


class Sequencer:
    """One process's hand in numbering. `told` is called after each batch, for those who follow the log."""

    def __init__(self, numbering: Numbering, policy: DeliveryPolicy, told: Callable[[], None] = lambda: None) -> None:
        self.numbered = 0
        """Events that this process gave their positions."""
        self.last = 0
        """The newest position this process knows of."""
        self._numbering = numbering
        self._limit = policy.number_events
        self._told = told

    async def step(self) -> bool:
        """Number one batch; True when more may be waiting."""
        done = await self._numbering.number(self._limit)
        if not done.count:
            return False
        self.numbered += done.count
        self.last = done.last
        self._told()
        return done.count >= self._limit
