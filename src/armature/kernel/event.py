"""What modules tell each other: facts that happened, recorded with the change they report."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

import msgspec
from msgspec import Struct, field, structs

__all__ = ["Event", "EventType", "Upcast", "event", "event_type", "upcast"]

E = TypeVar("E", bound="Event")

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""An event's data of one schema, as plain JSON values, to that of the next. Pure: the log is read again and again."""

U = TypeVar("U", bound=Upcast)


@dataclass_transform(frozen_default=True)
class Event(Struct, frozen=True):
    """Base of every event. Events carry ids, never personal data (laws 11)."""


class EventType(Struct, frozen=True):
    """What `@event` says of a class: its name in the log, its schema number and where it belongs."""

    name: str
    schema: int
    stream: str
    version: str | None
    type: type[Event]
    domain: str
    """The module that tells it: the first word of the name."""
    upcasts: Mapping[int, Upcast] = field(default_factory=dict)
    """How data of an older schema becomes data of the next one, by the older schema's number."""


def event(name: str, *, schema: int, stream: str, version: str | None = None) -> Callable[[type[E]], type[E]]:
    """Name an event class `module.fact`.

    `stream` is the field that says which thing the fact is about, `version` the field with that thing's version after it:
    the log refuses a second event with the same (tenant, stream, version), which backs every compare-and-set (laws 8).
    """

    def declare(cls: type[E]) -> type[E]:
        known = {field.name for field in msgspec.structs.fields(cls)}
        for word in (stream, version):
            if word is not None and word not in known:
                raise TypeError(f"{cls.__name__}: @event names the field {word!r}, which the class does not have")
        cls.__event__ = EventType(name, schema, stream, version, cls, name.partition(".")[0])  # type: ignore[attr-defined]
        return cls

    return declare


def upcast(event: type[Event], *, from_schema: int) -> Callable[[U], U]:
    """Say how data of an older schema becomes data of the next: `@upcast(CounterChanged, from_schema=1)`.

    The log keeps what was written for ever, so an event of schema 3 has an upcast from 1 and one from 2. The function takes
    the older data as plain JSON values (ids and times are text) and returns the newer. It is pure.
    """
    declared = event_type(event)
    if not 1 <= from_schema < declared.schema:
        raise TypeError(f"{event.__name__}: upcast from schema {from_schema}, but the event has schema {declared.schema}")
    if from_schema in declared.upcasts:
        raise TypeError(f"{event.__name__}: schema {from_schema} has an upcast already")

    def declare(function: U) -> U:
        known = event_type(event)
        newer = structs.replace(known, upcasts={**known.upcasts, from_schema: function})
        event.__event__ = newer  # type: ignore[attr-defined]
        return function

    return declare


def event_type(of: type[Event] | Event) -> EventType:
    """Return what `@event` declared, or say which class lacks it."""
    declared: Any = getattr(of, "__event__", None)
    if declared is None:
        name = of.__name__ if isinstance(of, type) else type(of).__name__
        raise TypeError(f"{name} is published but has no @event(...) above its class")
    return declared  # type: ignore[no-any-return]
