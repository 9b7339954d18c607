"""What a counter may do. Pure: values in, values out; no clock, no database."""

from uuid import UUID

from msgspec import UNSET, UnsetType, structs

from modules.counter.contract import Counter, CounterChanged, CounterCreated, CounterDeleted, Insufficient, Verb

Moved = tuple[Counter, CounterChanged]


def create(counter_id: UUID, name: str, note: str | None) -> tuple[Counter, CounterCreated]:
    """Begin a counter at zero, in its first version."""
    return Counter(counter_id, name, note, 0, 1), CounterCreated(counter_id, name)


def increment(counter: Counter, by: int) -> Moved:
    """Add `by`."""
    return _moved(counter, "increment", by)


def decrement(counter: Counter, by: int) -> Moved:
    """Take `by` away, never below zero."""
    return _taken(counter, "decrement", by)


def reset(counter: Counter) -> Moved:
    """Go back to zero."""
    return _moved(counter, "reset", -counter.value)


def transfer(source: Counter, target: Counter, by: int) -> tuple[Moved, Moved]:
    """Take from one what the other gets."""
    return _taken(source, "transfer", by), _moved(target, "transfer", by)


def edit(counter: Counter, name: str | UnsetType, note: str | UnsetType | None) -> Moved:
    """Replace what is given; UNSET keeps."""
    edited = structs.replace(
        counter,
        name=counter.name if name is UNSET else name,
        note=counter.note if note is UNSET else note,
    )
    return _moved(edited, "edit", 0)


def delete(counter: Counter) -> CounterDeleted:
    """Say farewell in a version of its own."""
    return CounterDeleted(counter.id, counter.value, counter.version + 1)


def _taken(counter: Counter, operation: Verb, by: int) -> Moved:
    if counter.value < by:
        raise Insufficient(counter_id=counter.id, value=counter.value)
    return _moved(counter, operation, -by)


def _moved(counter: Counter, operation: Verb, delta: int) -> Moved:
    after = Counter(counter.id, counter.name, counter.note, counter.value + delta, counter.version + 1)
    return after, CounterChanged(after.id, operation, delta, after.value, after.version)
