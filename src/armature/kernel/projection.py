"""Read models that are built only from events, and can therefore always be built again."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct

from armature.kernel.event import Event
from armature.kernel.statement import Change

__all__ = ["Fold", "Projection", "Recorded", "on"]

F = TypeVar("F", bound=Callable[..., Any])


class Recorded(Struct, frozen=True):
    """What the log knows of an event beside its data. A fold's statements may use these names as parameters."""

    tenant_id: str
    position: int
    event_id: UUID
    stream: str
    stream_version: int | None
    occurred_at: datetime
    actor: str


class Fold(Protocol):
    """What a fold may do: plan changes of its projection's own tables. No clock, no ids, no network, no other table."""

    @property
    def about(self) -> Recorded:
        """Where the event stands in the log."""
        ...

    def plan(self, statement: Change, source: Struct | None = None, /, **params: Any) -> None:
        """Plan a change. Names are bound from `params`, then from `source`, then from `about`."""
        ...


def on(*events: type[Event]) -> Callable[[F], F]:
    """Mark the method of a projection that folds these events: `def record(self, fold: Fold, event: E) -> None`."""

    def attach(method: F) -> F:
        method.__folds__ = events  # type: ignore[attr-defined]
        return method

    return attach


class Projection:
    """Base of a read model: `class CounterHistory(Projection, name="counter.history", version=1, tables="history.sql")`.

    `tables` is the DDL in the module's `projections/` folder; the runtime adds the generation to the table names.
    `version` grows when the fold's meaning changes: a new generation is then built beside the old one.
    `order` says what must arrive in order: `stream` (one thing; may park a poisoned one), `tenant` or `log` (laws 9).
    `lag_slo_seconds`: how far it may be behind the log before readiness says so; None: `projections.lag_slo_seconds`.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    tables: ClassVar[str] = ""
    order: ClassVar[Literal["stream", "tenant", "log"]] = "stream"
    lag_slo_seconds: ClassVar[float | None] = None

    def __init_subclass__(
        cls,
        *,
        name: str,
        version: int,
        tables: str,
        order: Literal["stream", "tenant", "log"] = "stream",
        lag_slo_seconds: float | None = None,
    ) -> None:
        super().__init_subclass__()
        cls.name, cls.version, cls.tables, cls.order = name, version, tables, order
        cls.lag_slo_seconds = lag_slo_seconds

    @classmethod
    def folds(cls) -> dict[type[Event], str]:
        """Return the method name that folds each event type."""
        return {event: attribute for attribute, method in vars(cls).items() for event in getattr(method, "__folds__", ())}
