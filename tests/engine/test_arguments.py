"""Arguments come typed, or the refusal names every wrong field with its path."""

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType

from armature import Context, Contract, command, not_together, query
from armature.engine.arguments import ERRORS_MAX, Arguments
from armature.kernel.operation import operations
from armature.kernel.refusals import Invalid, Malformed


class Line(Struct, frozen=True):
    name: str
    count: Annotated[int, Meta(ge=1)] = 1


class Odd(Contract, Protocol, name="odd", version=1):
    @command("POST /odd/{odd_id}", permission="odd:write")
    async def change(
        self,
        ctx: Context,
        *,
        odd_id: UUID,
        name: Annotated[str, Meta(min_length=1, max_length=5)],
        note: str | UnsetType | None = UNSET,
        lines: list[Line] = [],  # noqa: B006 - a contract's default is read, never shared
        kind: Literal["a", "b"] = "a",
        at: datetime | None = None,
    ) -> None: ...

    @query("GET /odd", permission="odd:read", rules=[not_together("cursor", "page")])
    async def list(
        self,
        ctx: Context,
        *,
        limit: Annotated[int, Meta(ge=1, le=9)] = 3,
        cursor: str | None = None,
        page: int = 0,
        tags: list[str] = [],  # noqa: B006
    ) -> None: ...


CHANGE, LIST = (Arguments(operation) for operation in operations(Odd))
ID = uuid4()


def change(body: Any) -> dict[str, Any]:
    return CHANGE.from_body([str(ID)], body if isinstance(body, bytes) else msgspec.json.encode(body))


def wrong(body: Any) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        change(body)
    return {error.path: error.message for error in refused.value.errors}


def test_absent_and_null_are_different() -> None:
    assert change({"name": "a"})["note"] is UNSET
    assert change({"name": "a", "note": None})["note"] is None
    assert change({"name": "a", "note": ""})["note"] == ""


def test_types_come_from_the_contract() -> None:
    found = change({"name": "a", "lines": [{"name": "x"}], "at": "2026-01-01T00:00:00Z"})
    assert (found["odd_id"], found["lines"], found["at"]) == (ID, [Line("x")], datetime(2026, 1, 1, tzinfo=UTC))


def test_text_is_trimmed_before_it_is_measured_also_inside() -> None:
    found = change({"name": "  abcde \n", "lines": [{"name": " x "}]})
    assert (found["name"], found["lines"]) == ("abcde", [Line("x")])
    assert "name" in wrong({"name": "   "})


def test_every_wrong_field_is_named_at_once() -> None:
    found = wrong({"name": 7, "lines": [{"name": "x"}, {"count": 0}], "kind": "c", "colour": "red"})
    assert sorted(found) == ["colour", "kind", "lines.1.count", "name"]
    assert found["colour"] == "unknown field"


def test_of_very_many_errors_the_first_are_told() -> None:
    assert len(wrong({f"x{n}": n for n in range(100)})) == ERRORS_MAX


@pytest.mark.parametrize("body", [[], "text", 7, None, True])
def test_a_body_that_is_no_object_is_refused(body: Any) -> None:
    assert wrong(body)[""].startswith("expected an object")


@pytest.mark.parametrize("body", [b"{", b'{"name":"a"}}', b"\xff\xfe", b'{"name":"\xff"}', b'{"name": NaN}', b"[" * 100_000])
def test_bytes_that_are_no_json_are_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        change(body)


@pytest.mark.parametrize("body", [b'{"name":"a","name":"b"}', b'{"name":"a","n\\u0061me":"b"}'])
def test_a_name_sent_twice_is_refused_however_it_is_spelled(body: bytes) -> None:
    assert wrong(body) == {"name": "is sent twice"}


def test_a_required_field_that_is_missing_is_named() -> None:
    assert wrong({}) == {"name": "is required"}
    assert wrong(b"") == {"name": "is required"}


def test_a_path_that_is_no_id_is_named() -> None:
    with pytest.raises(Invalid) as refused:
        CHANGE.from_body(["not-an-id"], b'{"name":"a"}')
    assert [error.path for error in refused.value.errors] == ["odd_id"]


def test_a_whole_float_is_an_integer_and_a_text_is_not() -> None:
    assert change({"name": "a", "lines": [{"name": "x", "count": 2.0}]})["lines"] == [Line("x", 2)]
    assert "lines.0.count" in wrong({"name": "a", "lines": [{"name": "x", "count": "2"}]})


def test_a_query_converts_from_text_collects_lists_and_refuses_repeats() -> None:
    found = LIST.from_query([], [("limit", "5"), ("tags", "a"), ("tags", "b")])
    assert (found["limit"], found["tags"], found["page"]) == (5, ["a", "b"], 0)
    with pytest.raises(Invalid) as refused:
        LIST.from_query([], [("limit", "5"), ("limit", "6"), ("limt", "1"), ("page", "x")])
    assert sorted({error.path for error in refused.value.errors}) == ["limit", "limt", "page"]


def test_fields_that_exclude_each_other_are_refused_from_every_side() -> None:
    with pytest.raises(Invalid):
        LIST.from_query([], [("cursor", "c"), ("page", "1")])
    with pytest.raises(Invalid):
        LIST.from_values({"cursor": "c", "page": 1})


def test_a_call_inside_the_process_is_checked_as_one_from_outside() -> None:
    with pytest.raises(Invalid) as refused:
        LIST.from_values({"limit": 10})
    assert [error.path for error in refused.value.errors] == ["limit"]


@given(st.binary(max_size=200))
def test_no_bytes_are_a_bug(body: bytes) -> None:
    with suppress(Invalid, Malformed):
        change(body)


class Shade(Enum):
    LIGHT = 1


class Chain(Struct, frozen=True):
    next: "list[Chain]" = []
    price: Decimal = Decimal(0)


class Rare(Contract, Protocol, name="rare", version=1):
    @command("POST /rare", permission="rare:write")
    async def change(
        self,
        ctx: Context,
        *,
        shades: list[Shade] = [],  # noqa: B006 - a contract's default is read, never shared
        note: str | UnsetType = UNSET,
        price: Decimal = Decimal(0),
        by: int = 0,
        ratio: float = 0.0,
        chain: Chain | None = None,
    ) -> None: ...


RARE = Arguments(next(iter(operations(Rare))))
DIGITS = "0.1234567890123456789012345"


def test_values_of_the_process_are_taken_as_they_are() -> None:
    """Also an enumeration of numbers, and what is left out by name."""
    assert RARE.from_values({"shades": [Shade.LIGHT], "note": UNSET})["shades"] == [Shade.LIGHT]
    assert RARE.from_values({"note": UNSET})["note"] is UNSET
    with pytest.raises(Invalid):
        RARE.from_values({"note": uuid4()})


@pytest.mark.parametrize("more", ['"note": "n"', '"note": " n "', '"by": 5.0', '"note": " n ", "ratio": 0.1'])
def test_a_decimal_that_is_sent_as_a_number_keeps_its_digits_whatever_stands_beside_it(more: str) -> None:
    read = RARE.from_body([], f'{{"price": {DIGITS}, "chain": {{"next": [{{"price": {DIGITS}}}]}}, {more}}}'.encode())
    assert str(read["price"]) == str(read["chain"].next[0].price) == DIGITS
    assert read["ratio"] in (0.0, 0.1) and type(read["ratio"]) is float


def test_what_is_wrong_beside_a_decimal_is_told_in_the_words_for_numbers() -> None:
    with pytest.raises(Invalid) as refused:
        RARE.from_body([], b'{"by": 1.5, "price": 0.1}')
    assert [(error.path, error.message) for error in refused.value.errors] == [("by", "expected int, got float")]
