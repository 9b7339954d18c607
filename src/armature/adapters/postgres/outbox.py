"""Idempotency keys and events of a batch, as one call of the function that may write them.

The answer of `armature_commit` says who is a twin, which ids the events have, and the number of the transaction, by which its
outcome can be asked for when the connection is lost in COMMIT. `armature_commit_fresh` is for keys that are free, and fails where
one is not; it leaves out units that have lost already.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct, structs

from armature.adapters.postgres.arrays import ArrayText, array_writer
from armature.adapters.postgres.connection import LaneConnection
from armature.ports.database import EventRow, KeyRow, Unit

__all__ = ["KEYS", "Letter", "Told", "known_keys", "tell", "telling", "telling_fresh"]

KEYS = "armature_keys_pkey"
"""The constraint by which a key that is not free is told from what a module's indexes refuse."""

_ORDER = (
    "event_id", "type", "schema", "tenant_id", "stream", "stream_version", "payload", "correlation_id", "causation_id",
    "trace", "actor", "subject", "partition", "occurred_at",
)  # fmt: skip
_FIELDS = EventRow.__struct_fields__
_AT = tuple(_FIELDS.index(name) for name in _ORDER)
_PAYLOAD = _ORDER.index("payload")

_NAMED = KeyRow.__struct_fields__
_KEY_TYPES = ("text", "bytea", "bytea", "bytea", "bool", "timestamptz", "timestamptz", "int4")
_EVENT_TYPES = (
    "uuid", "text", "int4", "text", "text", "int8", "text", "text", "text", "text", "text", "text", "int2", "timestamptz",
)  # fmt: skip
_KEY_OF = "int4"


def _written(held: str) -> ArrayText:
    found = array_writer(held)
    assert found is not None
    return found


_TYPES = (*_KEY_TYPES, _KEY_OF, *_EVENT_TYPES)
_WRITERS = tuple(map(_written, _TYPES))
# Who knows that every key is free does not ask when it was asked for. Keys and events are told by the numbers of their units.
_ASKED = _NAMED.index("asked_at")
_FRESH_TYPES = (*_KEY_TYPES[:_ASKED], *_KEY_TYPES[_ASKED + 1 :], *_EVENT_TYPES, "int4", "int4")
_FRESH_WRITERS = tuple(map(_written, _FRESH_TYPES))


def _places(types: Sequence[str], first: int) -> list[str]:
    return [f"${n}::text::{held}[]" for n, held in enumerate(types, first)]


def telling(first: int, when: str) -> str:
    """Return the call that writes keys and events, arguments from place `first` on, for a row of which `when` is true."""
    places = _places(_TYPES, first)
    # An argument that is taken from the row: without a row there is no call.
    places[0] = f"case when {when} then {places[0]} end"
    return f"armature_commit({', '.join(places)})"


def telling_fresh(first: int, alive: str) -> str:
    """Return the call that writes free keys and events, arguments from place `first` on. `alive` is taken from a row, and without
    that row there is no call; it holds the numbers of the units that are not left out, null for all."""
    places = _places(_FRESH_TYPES, first)
    return f"armature_commit_fresh({', '.join(places)}, {alive})"


_TELL = f"select ids, twins, transaction from armature_commit({', '.join(_places(_TYPES, 1))})"
_TRANSACTION = "select pg_current_xact_id()::text"

_KNOWN = """
select a.n
  from unnest($1::text[], $2::bytea[], $3::timestamptz[]) with ordinality as a (tenant_id, scope, asked_at, n)
  join armature_keys k on k.tenant_id = a.tenant_id and k.scope = a.scope and k.expires_at > a.asked_at
"""


class Told(Struct):
    """What the function answered. `lasts` are the ids of the units' last events, None for who tells nothing."""

    transaction: str
    twins: frozenset[int]
    """Places in the batch."""
    lasts: list[int | None]
    proof: tuple[int, UUID] | None
    """Id and event id of one event: it is in the log if and only if the transaction was committed."""


class Letter:
    """Keys and events of units in their order, as the function takes them."""

    __slots__ = ("_ends", "_events", "_keyed", "_keys", "_units", "_whose", "empty")

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = units
        self._keyed: list[int] = []
        self._ends: list[int | None] = []
        self._whose: list[int] = []
        keys: list[KeyRow] = []
        lasts: list[int | None] = []
        events: list[EventRow] = []
        for number, unit in enumerate(units, 1):
            told = unit.events
            last = None
            if told:
                events.extend(told)
                self._whose.extend([number] * len(told))
                last = len(events)
            self._ends.append(last)
            if unit.key is not None:
                keys.append(unit.key)
                lasts.append(last)
                self._keyed.append(number)
        self.empty = not keys and not events
        self._keys = (*_columns([*map(structs.astuple, keys)], len(_NAMED)), lasts)
        self._events = _event_columns(events)

    @property
    def values(self) -> list[str]:
        """The arguments of `armature_commit`."""
        key_of = {number: place for place, number in enumerate(self._keyed, 1)}
        columns = (*self._keys, [*map(key_of.get, self._whose)], *self._events)
        return [write(column) for write, column in zip(_WRITERS, columns, strict=True)]

    @property
    def fresh(self) -> list[str]:
        """The arguments of `armature_commit_fresh`."""
        columns = (*self._keys[:_ASKED], *self._keys[_ASKED + 1 :], *self._events, self._keyed, self._whose)
        return [write(column) for write, column in zip(_FRESH_WRITERS, columns, strict=True)]

    @property
    def tenants(self) -> Sequence[str]:
        """Whose keys they are."""
        return self._keys[0]

    def told(self, ids: Sequence[int], twins: Sequence[int], transaction: str) -> Told:
        """Return what the function's answer means."""
        out = frozenset(self._keyed[n - 1] - 1 for n in twins)
        return Told(transaction, out, self.lasts(ids), _proof(self._units, out, self._ends, ids))

    def lasts(self, ids: Sequence[int]) -> list[int | None]:
        """Return the id of each unit's last event, given those of all events."""
        return [None if end is None else ids[end - 1] for end in self._ends]


async def tell(connection: LaneConnection, units: Sequence[Unit]) -> Told:
    """Write keys and events of these units in their order."""
    letter = Letter(units)
    if letter.empty:
        return letter.told((), (), await connection.fetchval(_TRANSACTION))
    ids, twins, transaction = await connection.fetchrow(_TELL, *letter.values)
    return letter.told(ids, twins, transaction)


async def known_keys(connection: LaneConnection, keys: Sequence[KeyRow]) -> set[int]:
    """Return the places of the keys whose answer is there and has not expired."""
    found = await connection.fetch(_KNOWN, *_columns([(key.tenant_id, key.scope, key.asked_at) for key in keys], 3))
    return {row[0] - 1 for row in found}


def _proof(
    units: Sequence[Unit], twins: frozenset[int], ends: Sequence[int | None], ids: Sequence[int]
) -> tuple[int, UUID] | None:
    for place, (unit, end) in enumerate(zip(units, ends, strict=True)):
        if end is not None and place not in twins:
            return ids[end - 1], unit.events[-1].event_id
    return None


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [[]] * width


def _event_columns(events: Sequence[EventRow]) -> list[Sequence[Any]]:
    if not events:
        return [[]] * len(_AT)
    fields = list(zip(*map(structs.astuple, events), strict=True))
    columns: list[Sequence[Any]] = [fields[at] for at in _AT]
    columns[_PAYLOAD] = [payload.decode() for payload in columns[_PAYLOAD]]
    return columns
