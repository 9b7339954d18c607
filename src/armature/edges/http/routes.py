"""Finds the endpoint of a path. A tree of segments, built at start; a literal always wins over a parameter."""

from typing import Generic, TypeVar
from urllib.parse import unquote

__all__ = ["Found", "Routes", "unsplit"]

T = TypeVar("T")

Found = tuple[dict[str, T], list[str]]
"""What stands at a path, by method, and the values of its parameters in order."""

# No text that is decoded from a path holds half a surrogate, so none is mistaken for this.
_SLASH = "\udc2f"


def unsplit(raw: bytes) -> str:
    """Return a path with its escapes decoded, for `Routes.find`: a slash that was sent as %2F is part of its segment."""
    return unquote(raw.decode("latin-1").replace("%2f", _SLASH).replace("%2F", _SLASH))


class _Node(Generic[T]):
    __slots__ = ("ends", "literals", "parameter")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.parameter: _Node[T] | None = None
        self.ends: dict[str, T] = {}


class Routes(Generic[T]):
    """Templates like `/v1/counters/{counter_id}` to values by method."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, method: str, template: str, value: T) -> None:
        """Add a route; two of the same shape are refused, whatever their parameters are called."""
        node = self._root
        for part in template.split("/")[1:]:
            if part.startswith("{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(part, _Node())
        if method in node.ends:
            raise ValueError(f"{method} {template}: another operation has this route")
        node.ends[method] = value

    def find(self, path: str) -> Found[T] | None:
        """Return what stands at the path, or None. Parameters match one segment that is not empty."""
        values: list[str] = []
        node = self._root
        for part in path.split("/")[1:]:
            after = node.literals.get(part)
            if after is None:
                after = node.parameter
                if after is None or not part:
                    return None
                values.append(part)
            node = after
        if _SLASH in path:
            values = [value.replace(_SLASH, "/") for value in values]
        return (node.ends, values) if node.ends else None
