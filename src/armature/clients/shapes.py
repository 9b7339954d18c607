"""The types of contracts as plain values, the few that every language has a word for (laws 11)."""

from typing import Literal

from msgspec import Struct

__all__ = ["NULL", "Choice", "Listed", "Mapped", "Named", "Paged", "Plain", "Shape", "Union", "parts_of", "without"]


class Plain(Struct, frozen=True, tag="plain"):
    """A type that stands for itself."""

    name: Literal["bool", "int", "float", "str", "bytes", "uuid", "datetime", "decimal", "null"]


class Choice(Struct, frozen=True, tag="choice"):
    """One of a few values."""

    values: tuple[str | int, ...]


class Named(Struct, frozen=True, tag="named"):
    """A struct or an enumeration of the contract, by its name there."""

    name: str


class Listed(Struct, frozen=True, tag="list"):
    """Many of one type, in order."""

    item: "Shape"


class Mapped(Struct, frozen=True, tag="map"):
    """Many of one type, each under a text."""

    item: "Shape"


class Paged(Struct, frozen=True, tag="page"):
    """A page of a longer list."""

    item: "Shape"


class Union(Struct, frozen=True, tag="union"):
    """One of several types."""

    parts: "tuple[Shape, ...]"


Shape = Plain | Choice | Named | Listed | Mapped | Paged | Union


NULL = Plain("null")


def parts_of(shape: Shape) -> tuple[Shape, ...]:
    """Return the alternatives of a union, or the type alone."""
    return shape.parts if isinstance(shape, Union) else (shape,)


def without(shape: Shape, part: Shape = NULL) -> Shape:
    """Return the type without one of its alternatives."""
    left = tuple(one for one in parts_of(shape) if one != part)
    return left[0] if len(left) == 1 else Union(left)
