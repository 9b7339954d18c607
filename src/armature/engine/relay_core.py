"""Where a relay stands between the log and a broker, decided without asking either: what is to be published, how far the
cursor may go, and from where to publish again when the broker has lost something.

The cursor goes over a position only when the broker has acknowledged it, or when it is written down in quarantine. A broker
shows a loss in two ways: another identity, or a newest message that is numbered lower than it must be after what was
acknowledged. How much it lost cannot be seen for sure, since a late relay may have published behind the loss; so what counts is
what the consumers have: all of them are done with everything up to their floor.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from armature.engine.event_log import Stream
from armature.ports.bus import Message, Tail

__all__ = ["Cursor", "Moved", "Offer", "RelayCore"]


class Cursor(Struct, frozen=True):
    """A row of `armature_cursors`."""

    sink: str
    log: str
    epoch: int
    position: int
    broker: str
    broker_last: int
    term: int


class Offer(Struct, frozen=True):
    """A stretch of the log: what is to be published of it, and what waits because its stream is held."""

    events: Sequence[Message]
    publish: Sequence[Message]
    held: Sequence[Message]


class Moved(Struct, frozen=True):
    """How far the cursor may go, and what has to be written down as set aside when it does."""

    position: int
    quarantined: Sequence[tuple[Message, str]]


class RelayCore:
    """One sink, as one process knows it under one term."""

    def __init__(self, cursor: Cursor, held: Iterable[Stream]) -> None:
        self.cursor = cursor
        self.held = set(held)
        self._counted = cursor.position
        """Up to here what the broker acknowledged is in `broker_last` already."""

    def compare(self, tail: Tail, floor: int | None) -> int | None:
        """Hold the broker against the cursor; return the position to publish again from, None when all is there.

        `floor` is what every registered consumer is done with, None when there is no consumer.
        """
        at = self.cursor.position
        lost: int | None = None
        if tail.broker != self.cursor.broker:
            # An empty store needs only what somebody still waits for. Where nobody is registered, everything is.
            lost = min(at, floor if floor is not None else 0)
        elif tail.last < self.cursor.broker_last:
            # Its newest message tells nothing when it was published behind the loss, before anybody looked.
            lost = min(at, floor if floor is not None else 0, tail.position if tail.epoch == self.cursor.epoch else 0)
        there = tail.position if tail.broker == self.cursor.broker and tail.epoch == self.cursor.epoch else 0
        last = tail.last
        if lost is not None:
            # What survived behind the loss will not be stored again: it must not count as growth.
            self._counted = max(lost, there)
        elif there > self._counted:
            # Some of what it holds was never acknowledged; taken for growth, it would hide a loss of as many.
            last = self.cursor.broker_last
        self.cursor = _with(self.cursor, at if lost is None else lost, tail.broker, last)
        return lost

    def offer(self, events: Sequence[Message]) -> Offer:
        """Part what follows the cursor into what goes out and what waits behind something set aside."""
        publish = [event for event in events if (event.tenant_id, event.stream) not in self.held]
        if len(publish) == len(events):
            return Offer(events, events, ())
        return Offer(events, publish, [event for event in events if (event.tenant_id, event.stream) in self.held])

    def outcome(self, offer: Offer, acknowledged: int, refused: str = "") -> Moved:
        """Return the move after the broker acknowledged that many, and refused the next for ever if `refused` says why."""
        quarantined = [(event, "its stream is held by an earlier event") for event in offer.held]
        if refused:
            poison = offer.publish[acknowledged]
            upto = poison.position
            quarantined.append((poison, refused))
        elif acknowledged < len(offer.publish):
            upto = offer.publish[acknowledged].position - 1
        else:
            upto = offer.events[-1].position
        self._count(offer.publish[:acknowledged])
        return Moved(upto, [(event, why) for event, why in quarantined if event.position <= upto])

    def committed(self, moved: Moved) -> None:
        """The move is durable."""
        self.held.update((event.tenant_id, event.stream) for event, _ in moved.quarantined)
        self.cursor = _with(self.cursor, moved.position, self.cursor.broker, self.cursor.broker_last)

    def _count(self, acknowledged: Sequence[Message]) -> None:
        new = sum(event.position > self._counted for event in acknowledged)
        if new:
            self._counted = acknowledged[-1].position
            self.cursor = _with(self.cursor, self.cursor.position, self.cursor.broker, self.cursor.broker_last + new)


def _with(cursor: Cursor, position: int, broker: str, last: int) -> Cursor:
    return Cursor(cursor.sink, cursor.log, cursor.epoch, position, broker, last, cursor.term)
