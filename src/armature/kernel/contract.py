"""A contract: the only door of a module."""

from typing import Any, Protocol

__all__ = ["Contract"]


class Contract(Protocol):
    """Base of every contract: `class Counters(Contract, Protocol, name="counter", version=1)`.

    Being a protocol, it lets the type checker find an operation that a service forgot.
    """

    def __init_subclass__(cls, *, name: str | None = None, version: int = 1, **more: Any) -> None:
        super().__init_subclass__(**more)
        if name is not None:
            cls.__contract_name__ = name  # type: ignore[attr-defined]
            cls.__contract_version__ = version  # type: ignore[attr-defined]
