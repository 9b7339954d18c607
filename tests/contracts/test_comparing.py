"""The comparison of schemas is sound: where a value shows that somebody breaks, a sentence says so.

Whether a value fits a schema is said by a validator from outside.
"""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armature.runtime.contracts.comparing import Sides, Way, differences

Schema = dict[str, Any]

_WORDS = ["art", "science", "x"]
_bound = st.none() | st.integers(-3, 3)


def _without_none(schema: Mapping[str, Any]) -> Schema:
    return {name: value for name, value in schema.items() if value is not None}


@st.composite
def numbers(draw: st.DrawFn) -> Schema:
    low, high = sorted((draw(st.integers(-3, 3)), draw(st.integers(-3, 3))))
    words = draw(st.sampled_from([("minimum", "maximum"), ("exclusiveMinimum", "exclusiveMaximum"), ("minimum", "")]))
    bounds = {words[0]: low, words[1] or "maximum": high + 2 if words[1] else None}
    return _without_none({"type": draw(st.sampled_from(["integer", "number"])), **bounds})


texts = st.one_of(
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more}, st.integers(0, 3), st.integers(0, 5)
    ),
    st.just({"type": "string"}),
    st.lists(st.sampled_from(_WORDS), min_size=1, unique=True).map(lambda words: {"enum": sorted(words)}),
)
leaves = st.one_of(numbers(), texts, st.just({"type": "boolean"}))


def _deeper(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    @st.composite
    def objects(draw: st.DrawFn) -> Schema:
        fields = draw(st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3))
        required = sorted(draw(st.sets(st.sampled_from(sorted(fields))))) if fields else []
        return {"type": "object", "properties": fields, "required": required}

    return st.one_of(
        objects(),
        inner.map(lambda one: {"type": "array", "items": one}),
        inner.map(lambda one: {"anyOf": [one, {"type": "null"}]} if "anyOf" not in one else one),
    )


schemas = st.recursive(leaves, _deeper, max_leaves=6)


def closed(schema: Any, *, strict: bool) -> Any:
    """The schema as the pipeline reads it: whoever is asked refuses fields that he does not know."""
    if isinstance(schema, list):
        return [closed(one, strict=strict) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(one, strict=strict) for name, one in schema.items()}
    return {**made, "additionalProperties": False} if strict and schema.get("type") == "object" else made


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """Values, most of which the schema accepts."""
    if "anyOf" in schema:
        return st.one_of(*map(values, schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema["type"]:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(-6, 6)
        case "number":
            return st.integers(-12, 12).map(lambda one: one / 2)
        case "string":
            return st.sampled_from(["", "x", "art", "science", "x" * 8, "x" * 9])
        case "array":
            return st.lists(values(schema["items"]), max_size=2)
    fields = {name: values(one) for name, one in schema["properties"].items()}
    needed = {name: one for name, one in fields.items() if name in schema["required"]}
    return st.fixed_dictionaries(needed, optional={name: one for name, one in fields.items() if name not in needed})


@st.composite
def changed(draw: st.DrawFn) -> tuple[Schema, Schema]:
    """Two schemas; mostly the second is the first with one place changed."""
    before = draw(st.one_of(leaves, _deeper(leaves), schemas))
    return before, draw(st.just(before).flatmap(_moved) | schemas)


def _moved(schema: Schema) -> st.SearchStrategy[Schema]:
    if schema.get("type") == "object" and schema["properties"]:
        names = st.sampled_from(sorted(schema["properties"]))

        def put(name: str, one: Schema) -> Schema:
            return {**schema, "properties": {**schema["properties"], name: one}}

        def cut(name: str) -> Schema:
            rest = {other: one for other, one in schema["properties"].items() if other != name}
            return {**schema, "properties": rest, "required": [one for one in schema["required"] if one != name]}

        def need(name: str) -> Schema:
            return {**schema, "required": sorted({name} ^ set(schema["required"]))}

        moved = names.flatmap(lambda name: _moved(schema["properties"][name]).map(lambda one: put(name, one)))
        return st.one_of(moved, names.map(cut), names.map(need))
    if schema.get("type") == "array":
        return _moved(schema["items"]).map(lambda one: {"type": "array", "items": one})
    if "anyOf" in schema:
        return _moved(schema["anyOf"][0]).map(lambda one: {"anyOf": [one, {"type": "null"}]} if "anyOf" not in one else one)
    bounds = sorted(name for name, one in schema.items() if isinstance(one, int))
    if not bounds:
        return leaves
    by = st.sampled_from([-3, -2, -1, 1, 2, 3])
    moved = st.builds(
        lambda name, by: {**schema, name: max(schema[name] + by, 0 if "Length" in name else -9)}, st.sampled_from(bounds), by
    )
    return moved | leaves


def complaints(before: Schema, after: Schema, way: Way) -> list[str]:
    return list(differences("x argument", before, after, Sides({}, {}, way)))


@pytest.mark.slow
@settings(max_examples=1_500, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_what_was_accepted_and_no_longer_is_is_told(data: st.DataObject) -> None:
    before, after = data.draw(changed())
    value = data.draw(values(before))
    was, is_ = (jsonschema_rs.Draft202012Validator(closed(one, strict=True)) for one in (before, after))
    if was.is_valid(value) and not is_.is_valid(value):
        assert complaints(before, after, "asked"), (before, after, value)


@pytest.mark.slow
@settings(max_examples=1_500, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_what_could_not_come_and_now_may_is_told(data: st.DataObject) -> None:
    before, after = data.draw(changed())
    value = data.draw(values(after))
    was, is_ = (jsonschema_rs.Draft202012Validator(one) for one in (before, after))
    if is_.is_valid(value) and not was.is_valid(value):
        assert complaints(before, after, "given"), (before, after, value)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(schemas)
def test_nothing_is_told_of_what_has_not_changed(schema: Schema) -> None:
    assert complaints(schema, schema, "asked") == complaints(schema, schema, "given") == []


def test_what_narrows_one_side_widens_the_other() -> None:
    wide, narrow = {"type": "integer", "maximum": 5}, {"type": "integer", "maximum": 3}
    assert complaints(wide, narrow, "asked") == ["x argument: at most 3, it was 5"]
    assert complaints(narrow, wide, "given") == ["x argument: at most 5, it was 3"]
    assert complaints(narrow, wide, "asked") == complaints(wide, narrow, "given") == []
