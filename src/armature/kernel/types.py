"""Marks on values that need care: secrets and personal data."""

from typing import Annotated, AnyStr, Generic, TypeVar

from msgspec import Meta

__all__ = ["Hidden", "Personal", "Secret"]

T = TypeVar("T")

Personal = Annotated[T, Meta(extra={"personal": True})]
"""Personal data: refused in events, job arguments and stored answers, which carry ids instead (laws 11)."""


class Hidden(Generic[AnyStr]):
    """A text or bytes that never show itself: its text form is a mask; `reveal()` is the one way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: AnyStr) -> None:
        self._value: AnyStr = value

    def reveal(self) -> AnyStr:
        """Return the value; the call stands out in a review."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(****)"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not pickled; pass its reference")


class Secret(Hidden[str]):
    """A text that never shows itself; what contracts and modules use."""

    __slots__ = ()
