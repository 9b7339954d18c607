"""Marks on values that need care: secrets and personal data."""

from typing import Annotated, TypeVar

from msgspec import Meta

__all__ = ["Personal", "Secret"]

T = TypeVar("T")

Personal = Annotated[T, Meta(extra={"personal": True})]
"""Personal data: refused in events, job arguments and stored answers, which carry ids instead (laws 11)."""


class Secret:
    """A value that never shows itself: its text form is a mask; `reveal()` is the one way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value; the call stands out in a review."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(****)"

    __str__ = __repr__
