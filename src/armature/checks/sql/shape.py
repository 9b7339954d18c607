"""Do the columns that come back fit the struct they are to become? A wrong column fails the build, not the night."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import inspect

from armature.checks.finding import Finding
from armature.checks.sql.statement import Prepared
from armature.engine.ddl import Token
from armature.kernel.statement import Select

__all__ = ["KINDS", "check_shape", "column_word", "kind", "kind_of_type", "struct_kinds"]

# What a column word holds, by the kinds of Python type below. The second half are SQLite's own words, from twins.
KINDS: dict[str, frozenset[str]] = {
    "uuid": frozenset({"uuid"}),
    "text": frozenset({"text", "decimal"}),
    "bigint": frozenset({"int"}),
    "double": frozenset({"float"}),
    "boolean": frozenset({"bool"}),
    "timestamptz": frozenset({"datetime"}),
    "jsonb": frozenset({"json"}),
    "bytea": frozenset({"bytes"}),
    "blob": frozenset({"bytes", "uuid"}),
    "integer": frozenset({"int", "bool", "datetime"}),
    "real": frozenset({"float"}),
}
_BY_TYPE: dict[type, str] = {
    inspect.UUIDType: "uuid",
    inspect.StrType: "text",
    inspect.DecimalType: "decimal",
    inspect.IntType: "int",
    inspect.FloatType: "float",
    inspect.BoolType: "bool",
    inspect.DateTimeType: "datetime",
    inspect.BytesType: "bytes",
    inspect.StructType: "json",
    inspect.ListType: "json",
    inspect.DictType: "json",
}
_EMPTY_IS_NULL = frozenset({"sum", "avg", "min", "max"})


def kind_of_type(known: inspect.Type) -> tuple[str, bool]:
    """Return what a field's type holds ("" where that is open) and whether it takes null."""
    if isinstance(known, inspect.Metadata):
        return kind_of_type(known.type)
    if isinstance(known, inspect.UnionType):
        rest = [one for one in known.types if not isinstance(one, inspect.NoneType)]
        return (kind_of_type(rest[0])[0] if len(rest) == 1 else "json"), len(rest) < len(known.types)
    if isinstance(known, inspect.LiteralType):
        return ("text" if isinstance(known.values[0], str) else "int"), False
    if isinstance(known, inspect.EnumType):
        return ("text" if isinstance(next(iter(known.cls)).value, str) else "int"), False
    return _BY_TYPE.get(type(known), ""), isinstance(known, inspect.NoneType | inspect.AnyType)


def kind(of: Any) -> str:
    """Return what a Python type holds, "" where that is open."""
    return kind_of_type(inspect.type_info(of))[0]


def check_shape(prepared: Prepared) -> Iterator[Finding]:
    """Findings where a select's columns and its shape do not fit: missing, surplus, type, null."""
    statement = prepared.statement
    if not isinstance(statement, Select):
        return
    names = [str(column[0]) for column in prepared.info.description or ()]
    shape = inspect.type_info(statement.shape)
    if not isinstance(shape, inspect.StructType):
        if len(names) != 1:
            text = f"{len(names)} columns ({', '.join(names)}) cannot become one {statement.shape.__name__}"
            yield prepared.finding("sql:result", text, "select one column, or name a struct as the shape")
        else:
            yield from _check_column(prepared, 0, names[0], shape)
        return
    fields = {field.name: field.type for field in shape.fields}
    yield from _check_names(prepared, names, list(fields))
    for at, name in enumerate(names):
        if name in fields:
            yield from _check_column(prepared, at, name, fields[name])


def _check_names(prepared: Prepared, names: list[str], fields: list[str]) -> Iterator[Finding]:
    assert isinstance(prepared.statement, Select)
    shape = prepared.statement.shape.__name__
    for name in fields:
        if name not in names:
            near = [other for other in get_close_matches(name, names, n=1) if other not in fields]
            cure = f"write {near[0]} as {name}" if near else f"select a column of that name, or remove it from {shape}"
            yield prepared.finding("sql:result", f"{shape}.{name} gets no column", cure)
    for name in dict.fromkeys(names):
        if name not in fields:
            cure = f"remove it from the select, or add it to {shape}"
            yield prepared.finding("sql:result", f"column {name} is no field of {shape}", cure)
        elif names.count(name) > 1:
            yield prepared.finding("sql:result", f"column {name} comes twice", "give one of them another name, or remove it")


def _check_column(prepared: Prepared, at: int, name: str, wanted: inspect.Type) -> Iterator[Finding]:
    held, takes_null = kind_of_type(wanted)
    word, may_be_null, why = _source(prepared, at)
    if held and word in KINDS and held not in KINDS[word]:
        text = f"column {name} is {word} and cannot become {_said(wanted)}"
        yield prepared.finding("sql:result", text, f"make the field {_fitting(word)}, or select another column")
    if may_be_null and not takes_null:
        text = f"column {name} may be null ({why}), its field may not"
        yield prepared.finding("sql:null", text, f"write {_said(wanted)} | None, or coalesce({name}, …)")


def column_word(prepared: Prepared, at: int) -> str:
    """Return the column word of a result column, "" where SQLite cannot tell."""
    return _source(prepared, at)[0]


def _source(prepared: Prepared, at: int) -> tuple[str, bool, str]:
    """Return a result column's word ("" unknown), whether it may be null, and why."""
    full = (prepared.info.description_full or ())[at]
    table, origin = (str(full[3]), str(full[4])) if full[4] else ("", "")
    column = prepared.schema.columns(table).get(origin) if origin else None
    if column is not None:
        if table in prepared.outer:
            return column.word, True, "an outer join may find no row"
        return column.word, column.nullable, f"{table}.{origin} is declared without `not null`"
    item = _items(prepared.spoken)
    words = [token.word for token in item[at]] if len(item) == len(prepared.info.description or ()) else []
    grouped = "group" in [token.word for token in prepared.spoken]
    empty = not grouped and bool(_EMPTY_IS_NULL.intersection(words)) and not {"coalesce", "ifnull", "over", "select"} & set(words)
    return _expression(words), empty, "no row, no sum"


def _expression(words: list[str]) -> str:
    if words[:2] == ["cast", "("]:
        found = re.search(r" as (\w+) \)(?: as \w+| \w+)?$", " ".join(words))
        return found[1] if found else ""
    return "bigint" if words[:2] == ["count", "("] and words.count(")") == 1 else ""


def _items(spoken: Sequence[Token]) -> list[list[Token]]:
    """Cut the last outermost select's list at its commas."""
    depth, items, inside = 0, [[]], False  # type: tuple[int, list[list[Token]], bool]
    for token in spoken:
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.word == "select":
            items, inside = [[]], True
        elif depth == 0 and token.word == "from":
            inside = False
        elif inside and depth == 0 and token.text == ",":
            items.append([])
        elif inside and token.word != "distinct":
            items[-1].append(token)
    return items


def _said(wanted: inspect.Type) -> str:
    held, _ = kind_of_type(wanted)
    return {"text": "str", "json": "a struct", "uuid": "UUID", "decimal": "Decimal"}.get(held, held or "its type")


def _fitting(word: str) -> str:
    names = {"text": "str", "json": "a struct or a list", "uuid": "UUID", "decimal": "Decimal"}
    return " or ".join(sorted(names.get(one, one) for one in KINDS[word]))


def struct_kinds(shape: type[msgspec.Struct]) -> dict[str, str]:
    """Return what each field of a struct holds."""
    known = inspect.type_info(shape)
    assert isinstance(known, inspect.StructType)
    return {field.name: kind_of_type(field.type)[0] for field in known.fields}
