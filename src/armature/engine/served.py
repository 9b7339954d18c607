"""What an edge needs of an operation, wherever it lives: in this process, or behind a link."""

from collections.abc import Iterable
from typing import Any, Protocol

from armature.engine.arguments import Arguments
from armature.engine.call import Call
from armature.engine.pipeline import Answer
from armature.kernel.operation import Operation
from armature.ports.limiter import Rate

__all__ = ["Served"]


class Served(Protocol):
    """One operation, ready to be called."""

    operation: Operation
    arguments: Arguments
    rate: Rate | None
    """None: nothing is counted here."""
    is_query: bool
    deadline_seconds: float

    def new_call(self, tenant: str, identity: Any, request_id: str, deadline_seconds: float | None = None) -> Call:
        """Return a context for a call of this operation that begins now."""
        ...

    def authorise(self, call: Call) -> None:
        """Refuse a caller who is unknown or may not."""
        ...

    async def limit(self, call: Call) -> None:
        """Refuse a caller who calls too often."""
        ...

    async def result(self, call: Call, arguments: dict[str, Any], within: Call) -> Any:
        """Run the operation for a module, as part of the call `within`; return its result."""
        ...

    async def run(self, call: Call, arguments: dict[str, Any], edge: str, sent: Iterable[bytes]) -> Answer:
        """Run the operation and return its answer; every failure leaves as a Failure, every bug as it is."""
        ...
