"""Turning events into planned changes of a read model: pure, and as fast as a loop written by hand.

The names of a statement are looked up once for each (statement, kind of source, given parameters) and become one expression,
as in `binding`; an event then costs its decoding, the call of its fold and a tuple for each change. A chunk is what one
commit may carry. An event whose fold plans more than that is cut into parts: the fold is pure, so planned again it gives
the same changes, and the parts already applied are left out.
"""

import inspect
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from armature.engine.event_log import Logged, Stream
from armature.engine.upcasting import newest
from armature.kernel.event import Event, EventType, event_type
from armature.kernel.projection import Fold, Projection, Recorded
from armature.kernel.statement import Change, Statement
from armature.ports.database import Bound

__all__ = ["Chunk", "FoldMisuse", "Folding"]

_ABOUT = frozenset(Recorded.__struct_fields__)
_KEPT = {"event_id": "event_key", "occurred_at": "at_micros"}

_Make = Callable[[Logged, Any, Mapping[str, Any]], tuple[Any, ...]]


class FoldMisuse(Exception):
    """A projection asks for something a fold cannot do; the message names the statement or the class."""


class Chunk(Struct):
    """What one commit carries: changes, and the checkpoint that is true with them."""

    writes: list[Bound]
    position: int
    part: int
    events: int
    """How many events the chunk finishes."""
    failed: Logged | None = None
    """The event after `position` that could not be folded; then nothing else is in the chunk."""
    reason: str = ""


class Folding(Fold):
    """One projection on the tables of one generation. `on_tables` gives a statement's twin there.

    `as_kept` says that the database takes ids and moments as the rows of the log hold them (`Database.takes_kept`).
    """

    def __init__(self, projection: Projection, on_tables: Callable[[Statement], Statement], *, as_kept: bool = False) -> None:
        self._on_tables = on_tables
        self._kept = _KEPT if as_kept else {}
        self._handlers = _handlers(projection)
        self._binders: dict[tuple[Any, ...], tuple[Statement, _Make]] = {}
        self._planned: list[Bound] = []
        self.recorded: Logged
        """The event that is folded now."""

    @property
    def about(self) -> Recorded:
        # Made only for a fold that asks; what a statement binds is taken from the row itself.
        return Recorded(*(getattr(self.recorded, name) for name in Recorded.__struct_fields__))

    def plan(self, statement: Change, source: Struct | None = None, /, **params: Any) -> None:
        key = (statement, source.__class__, *params) if params else (statement, source.__class__)
        found = self._binders.get(key)
        if found is None:
            found = self._binders[key] = self._binder(statement, source, params)
        self._planned.append((found[0], found[1](self.recorded, source, params)))

    def chunk(self, events: Sequence[Logged], part: int, parked: Container[Stream], rows_max: int) -> Chunk:
        """Fold events from the first on until a commit is full.

        `part` changes of the first event are applied already. Events of a parked stream, and those nobody folds, are
        passed over: they move the position and change nothing.
        """
        writes = self._planned = []
        handlers = self._handlers
        done = 0
        for event in events:
            handler = handlers.get(event.type)
            if handler is not None and not (parked and (event.tenant_id, event.stream) in parked):
                before = len(writes)
                self.recorded = event
                try:
                    decode, fold, known, schema = handler
                    fold(self, decode(event.payload if event.schema == schema else newest(known, event.schema, event.payload)))
                except Exception as error:
                    del writes[before:]
                    made = _made(writes, events, done, part)
                    return made if done else _poisoned(made, event, error)
                if part:
                    del writes[before : before + part]
                if len(writes) > rows_max:
                    return _cut(_made(writes, events, done, part), before, rows_max)
            done += 1
            part = 0
        return _made(writes, events, done, part)

    def _binder(self, statement: Change, source: Struct | None, params: Mapping[str, Any]) -> tuple[Statement, _Make]:
        if surplus := sorted(params.keys() - (statement.names - {"tenant_id"})):
            raise FoldMisuse(f"{statement.home}: {surplus[0]!r} is no parameter of the statement that a fold may give")
        fields = frozenset(source.__struct_fields__) if source is not None else frozenset()
        parts = "".join(_part(statement, name, params, fields, self._kept) + ", " for name in statement.params)
        made: _Make = eval(f"lambda recorded, source, given: ({parts})", {})
        return self._on_tables(statement), made


def _part(statement: Change, name: str, params: Mapping[str, Any], fields: frozenset[str], kept: Mapping[str, str]) -> str:
    # The tenant is the wall between customers: no field and no argument decides on which side of it a row lands.
    if name == "tenant_id":
        return "recorded.tenant_id"
    if name in params:
        return f"given[{name!r}]"
    if name in fields:
        return f"source.{name}"
    if name in _ABOUT:
        return f"recorded.{kept.get(name, name)}"
    raise FoldMisuse(f"{statement.home}: the parameter :{name} was given neither by name, nor by the event, nor by fold.about")


_Handler = tuple[Callable[[str | bytes], Event], Callable[..., Any], EventType, int]
"""What decodes an event, what folds it, and what is known of its type; its schema beside, for the look at each event."""


def _handlers(projection: Projection) -> dict[str, _Handler]:
    handlers: dict[str, _Handler] = {}
    for kind, method in type(projection).folds().items():
        fold = getattr(projection, method)
        if inspect.iscoroutinefunction(fold):
            raise FoldMisuse(f"{type(projection).__name__}.{method} is async; a fold only plans and waits for nothing")
        known = event_type(kind)
        handlers[known.name] = (msgspec.json.Decoder(kind).decode, fold, known, known.schema)
    if not handlers:
        raise FoldMisuse(f"{type(projection).__name__} folds no event; mark its methods with @on(SomeEvent)")
    return handlers


def _made(writes: list[Bound], events: Sequence[Logged], done: int, part: int) -> Chunk:
    return Chunk(writes, events[done - 1].position if done else events[0].position - 1, part, done)


def _cut(made: Chunk, before: int, rows_max: int) -> Chunk:
    """Leave the event that did not fit to the next chunk; alone it does not fit either, and is applied in parts."""
    if before:
        del made.writes[before:]
    else:
        del made.writes[rows_max:]
        made.part += rows_max
    return made


def _poisoned(made: Chunk, event: Logged, error: Exception) -> Chunk:
    made.failed = event
    made.reason = f"{type(error).__name__}: {error}"[:500]
    return made
