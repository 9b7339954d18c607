"""Old events are read as today's: one schema at a time, in order, and never by a guess."""

from typing import Any
from uuid import uuid4

import msgspec
import pytest

from armature import Event, Fold, Projection, event, on, upcast
from armature.engine.event_log import Logged
from armature.engine.folding import Folding
from armature.engine.upcasting import NoUpcast, newest
from armature.kernel.event import event_type


@event("probe.moved", schema=3, stream="thing")
class Moved(Event, frozen=True):
    """A thing moved, as release three tells it."""

    thing: str
    metres: float
    by: str


@upcast(Moved, from_schema=2)
def _named(old: dict[str, Any]) -> dict[str, Any]:
    return {**old, "by": "nobody"}


@upcast(Moved, from_schema=1)
def _metric(old: dict[str, Any]) -> dict[str, Any]:
    return {"thing": old["thing"], "metres": old["feet"] * 0.3048}


@event("probe.lost", schema=2, stream="thing")
class Lost(Event, frozen=True):
    """A thing was lost; nobody wrote how its first schema is read."""

    thing: str


@pytest.mark.parametrize(
    ("schema", "data", "becomes"),
    [
        (1, b'{"thing":"a","feet":10}', {"thing": "a", "metres": 3.048, "by": "nobody"}),
        (2, b'{"thing":"a","metres":2.5}', {"thing": "a", "metres": 2.5, "by": "nobody"}),
        (3, b'{"thing":"a","metres":2.5,"by":"ann"}', {"thing": "a", "metres": 2.5, "by": "ann"}),
        (4, b'{"thing":"a","more":1}', {"thing": "a", "more": 1}),
    ],
)
def test_data_of_any_schema_becomes_todays_and_newer_stays(schema: int, data: bytes, becomes: object) -> None:
    assert msgspec.json.decode(newest(event_type(Moved), schema, data)) == becomes


def test_todays_data_is_handed_on_untouched() -> None:
    data = '{ "thing": "a" }'
    assert newest(event_type(Moved), 3, data) is data


def test_a_missing_step_names_what_to_write() -> None:
    with pytest.raises(NoUpcast, match=r"@upcast\(Lost, from_schema=1\)"):
        newest(event_type(Lost), 1, b'{"thing":"a"}')


@pytest.mark.parametrize("schema", [0, 3, 4])
def test_an_upcast_leads_from_an_older_schema(schema: int) -> None:
    with pytest.raises(TypeError, match="has schema 3"):
        upcast(Moved, from_schema=schema)


def test_two_upcasts_from_one_schema_are_refused() -> None:
    with pytest.raises(TypeError, match="already"):
        upcast(Moved, from_schema=1)


class Path(Projection, name="probe.path", version=1, tables="x.sql"):
    """Remembers what it was handed."""

    def __init__(self) -> None:
        self.seen: list[Event] = []

    @on(Moved)
    def moved(self, fold: Fold, event: Moved) -> None:
        self.seen.append(event)

    @on(Lost)
    def lost(self, fold: Fold, event: Lost) -> None:
        self.seen.append(event)


def logged(kind: str, schema: int, payload: str) -> Logged:
    return Logged("t", 1, uuid4().bytes, "probe/1", 1, 0, "a", kind, payload, "", schema)


def test_a_fold_is_handed_todays_event() -> None:
    path = Path()
    chunk = Folding(path, lambda one: one).chunk([logged("probe.moved", 1, '{"thing":"a","feet":100}')], 0, (), 10)
    assert chunk.failed is None
    assert path.seen == [Moved("a", 30.48, "nobody")]


def test_an_event_that_nothing_leads_on_from_is_set_aside_with_the_reason() -> None:
    chunk = Folding(Path(), lambda one: one).chunk([logged("probe.lost", 1, '{"thing":"a"}')], 0, (), 10)
    assert chunk.failed is not None
    assert "@upcast(Lost, from_schema=1)" in chunk.reason
