"""Values that a type allows and no edge or store can carry are named with their path, wherever they stand."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, NewType
from uuid import UUID

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType, field

from armature.engine.bounds import wrong

Place = NewType("Place", int)


class Leaf(Struct, tag=True):
    size: int


class Stem(Struct, tag=True):
    at: datetime | None = None


class Branch(Struct):
    below: "list[Branch]" = []
    leaf: Leaf | Stem | None = None
    sizes: dict[str, list[Decimal]] = field(default={}, name="allSizes")


EAST = timezone(timedelta(hours=5))
NAIVE = datetime(2026, 1, 31)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("kind", "value", "paths"),
    [
        (int, 2**63, ["x"]),
        (Place, -(2**63) - 1, ["x"]),
        (int | None, 2**63, ["x"]),
        (Annotated[int, Meta(ge=1)], 2**63, ["x"]),
        (float | UnsetType, float("-inf"), ["x"]),
        (list[Decimal], [Decimal(1), Decimal("sNaN")], ["x.1"]),
        (dict[str, datetime], {"a b": NAIVE}, ["x.a b"]),
        (datetime, datetime(1, 1, 1, tzinfo=EAST), ["x"]),
        (Branch, Branch([Branch(leaf=Leaf(2**63))], Stem(NAIVE)), ["x.below.0.leaf.size", "x.leaf.at"]),
        (Branch, Branch(sizes={"a": [Decimal("NaN")]}), ["x.allSizes.a.0"]),
    ],
)
def test_what_is_beyond_is_named(kind: Any, value: Any, paths: list[str]) -> None:
    judge = wrong(kind)
    assert judge is not None and sorted(error.path for error in judge("x", value)) == paths


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, 2**63 - 1),
        (int, -(2**63)),
        (float | UnsetType, UNSET),
        (int | None, None),
        (datetime, datetime(2026, 1, 31, tzinfo=EAST)),
        (datetime, datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        (Branch, Branch([Branch([Branch(leaf=Leaf(-1))])], Stem(None), {"a": [Decimal("-0")]})),
    ],
)
def test_what_can_be_carried_is_not(kind: Any, value: Any) -> None:
    judge = wrong(kind)
    assert judge is not None and list(judge("x", value)) == []


@pytest.mark.parametrize("kind", [str, UUID, bool, bytes, list[str], Annotated[int, Meta(ge=1, le=9)], str | None])
def test_types_that_say_all_are_not_looked_at_again(kind: Any) -> None:
    assert wrong(kind) is None
