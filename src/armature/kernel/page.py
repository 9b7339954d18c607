"""One page of a longer list, by cursor or by number."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from msgspec import UNSET, Struct, UnsetType

__all__ = ["Page"]

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True):
    """`items` and the way on.

    By cursor (the default; nothing is lost or doubled while rows are inserted): `next_cursor`, null on the last page.
    By number (small admin lists): `page` from 0, `size`, and `total` over all pages. What does not apply is absent.
    """

    items: list[T]
    next_cursor: str | None | UnsetType = UNSET
    page: int | UnsetType = UNSET
    size: int | UnsetType = UNSET
    total: int | UnsetType = UNSET

    @staticmethod
    def numbered(items: Sequence[T], *, page: int, size: int, total: int) -> "Page[T]":
        """Build a page found by its number."""
        return Page(items=list(items), page=page, size=size, total=total)
