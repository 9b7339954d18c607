"""What the plan needs to know of a module, as plain data: it can be drawn, sorted and tested without building anything."""

from typing import Literal

from msgspec import Struct

from armature.kernel.operation import Operation

__all__ = ["ModuleFacts", "OperationFacts", "operation_facts"]


class OperationFacts(Struct, frozen=True):
    """One operation of a module. `permission` is None for a public one; `path` stands without the prefix."""

    name: str
    kind: Literal["query", "command", "feed"]
    method: str
    path: str
    permission: str | None = None
    version: int = 1
    cached: bool = False
    """Whether its answers are kept until an event ends them."""


class ModuleFacts(Struct, frozen=True, kw_only=True):
    """One module: what it offers, folds, needs of its neighbours (module names) and owns in the database."""

    name: str
    version: str = ""
    operations: tuple[OperationFacts, ...] = ()
    projections: tuple[str, ...] = ()
    reactions: bool = False
    """Whether it has a reactions.py."""
    background: bool = False
    """Whether it has a background.py."""
    hears: tuple[str, ...] = ()
    """The modules whose events its reactions take."""
    needs: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()


def operation_facts(operation: Operation) -> OperationFacts:
    """The facts of an operation as the contract declares it."""
    return OperationFacts(
        name=operation.full_name,
        kind=operation.declared.kind,
        method=operation.method,
        path=operation.path,
        permission=operation.declared.permission,
        version=operation.version,
        cached=operation.declared.cache is not None,
    )
