"""Field numbers are what a compiled client knows a field by, so a number that was once given is never given to another field.

What was given stands in the committed `.proto` (`Pins`); new fields get the next number, and those of removed ones are reserved.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from armature.edges.grpc.proto import ProtoField

__all__ = ["NO_PINS", "Numbered", "Pinned", "Pins", "numbered"]

# Numbers that protobuf keeps for itself (language guide, "Assigning Field Numbers").
_KEPT = range(19_000, 20_000)


class Pinned(Struct, frozen=True):
    """What one message has given away: numbers by field, and what is reserved."""

    fields: Mapping[str, int]
    reserved: frozenset[int] = frozenset()
    reserved_names: frozenset[str] = frozenset()


Pins = Mapping[str, Pinned]
NO_PINS: Pins = {}


class Numbered(Struct, frozen=True):
    """Fields with their numbers, and what the message reserves."""

    fields: tuple[ProtoField, ...]
    reserved: tuple[int, ...]
    reserved_names: tuple[str, ...]


def numbered(fields: Sequence[ProtoField], pinned: Pinned | None) -> Numbered:
    """Give the fields, whose numbers are not looked at, the ones they had before, or new ones."""
    pinned = pinned or Pinned({})
    names = {field.name for field in fields}
    gone = {name: number for name, number in pinned.fields.items() if name not in names}
    reserved = pinned.reserved | frozenset(gone.values())
    fresh = _after(max([*pinned.fields.values(), *pinned.reserved], default=0))
    made = []
    for field in fields:
        number = pinned.fields.get(field.name) or next(fresh)
        made.append(_with(field, number))
    kept_names = (pinned.reserved_names | gone.keys()) - names
    return Numbered(tuple(made), tuple(sorted(reserved)), tuple(sorted(kept_names)))


def _after(number: int) -> Iterator[int]:
    while True:
        number += 1
        if number not in _KEPT:
            yield number


def _with(field: ProtoField, number: int) -> ProtoField:
    values = {name: getattr(field, name) for name in field.__struct_fields__}
    return ProtoField(**{**values, "number": number})
