"""The two ways of calling a Python client, so that one story can be told with either."""

import inspect
from collections.abc import AsyncIterator, Awaitable
from types import ModuleType
from typing import Any

__all__ = ["KINDS", "Hand", "do", "walk"]

KINDS = ("AsyncClient", "Client")


class Hand:
    """Opens clients of one kind and closes them with itself."""

    def __init__(self, package: ModuleType, kind: str) -> None:
        self.package = package
        self.kind = kind
        self._open: list[Any] = []

    def client(self, url: str, **options: Any) -> Any:
        """A client of the server at the address."""
        made = getattr(self.package, self.kind)(url, self.package.Options(**options))
        self._open.append(made)
        return made

    async def __aenter__(self) -> "Hand":
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self._open:
            await do(one.aclose() if self.kind == "AsyncClient" else one.close())


async def do(answer: Any) -> Any:
    """What a call answers, whichever kind of client made it."""
    return await answer if isinstance(answer, Awaitable) else answer


async def walk(items: Any) -> AsyncIterator[Any]:
    """What a walk or a feed brings; closed when the caller has enough."""
    try:
        if hasattr(items, "__aiter__"):
            async for one in items:
                yield one
        else:
            for one in items:
                yield one
    finally:
        closed = items.aclose() if hasattr(items, "aclose") else items.close()
        if inspect.isawaitable(closed):
            await closed
