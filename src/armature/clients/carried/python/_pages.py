"""One page of a longer list."""

from __future__ import annotations

from typing import Generic, TypeVar

from msgspec import UNSET, Struct, UnsetType

__all__ = ["Page"]

T = TypeVar("T")


class Page(Struct, Generic[T], frozen=True):
    """By cursor: `next_cursor`, None on the last page. By number: `page` from 0, `size`, and `total` over all pages."""

    items: list[T]
    next_cursor: str | UnsetType | None = UNSET
    page: int | UnsetType = UNSET
    size: int | UnsetType = UNSET
    total: int | UnsetType = UNSET

    @property
    def last(self) -> bool:
        """Whether no page follows."""
        if isinstance(self.page, int) and isinstance(self.size, int) and isinstance(self.total, int):
            return not self.items or (self.page + 1) * self.size >= self.total
        return not self.next_cursor
