"""How rows become a statement's shape: one expression per statement, made when it is bound.

The names of the columns are compared with the shape's fields and their types with the fields' types, so that a row that
arrives is only taken apart. A NULL where the field has no place for it is the one thing left to look for.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from armature.adapters.postgres.values import loader
from armature.engine.shapes import StatementRefused, fitting, same_names
from armature.kernel.statement import Select

__all__ = ["Build", "Columns", "Rows"]

Columns = Sequence[tuple[str, str]]
"""Name and type (`uuid`, `int8` …)."""

Build = Callable[[Any], Any]


class Rows:
    """What the rows of a select are made into. `order` says at which column each field of the shape is found."""

    def __init__(self, statement: Select[Any], columns: Columns) -> None:
        self._statement = statement
        shape = statement.shape
        if isinstance(shape, type) and issubclass(shape, Struct):
            fields = msgspec.structs.fields(shape)
            found = [name for name, _ in columns]
            same_names(statement, [field.name for field in fields], found)
            self.order = tuple(found.index(field.name) for field in fields)
            hints: list[Any] = [field.type for field in fields]
            self._names = [f"column {field.name!r}" for field in fields]
            self._make: Build | None = shape
        else:
            if len(columns) != 1:
                names = ", ".join(name for name, _ in columns)
                raise StatementRefused(f"{statement.home}: {shape} is one value, the select has {len(columns)} columns: {names}")
            self.order, hints, self._names, self._make = (0,), [shape], ["the value"], None
        self._loads = [fitting(statement, columns[at], hint, loader) for at, hint in zip(self.order, hints, strict=True)]

    def build(self, order: Sequence[int]) -> Build:
        """Return what makes a shape of a row that has the fields at these places."""
        names: dict[str, Any] = {"make": self._make, "null": self._null(order)}
        values, strict = [], []
        for index, (at, (load, nullable)) in enumerate(zip(order, self._loads, strict=True)):
            if not nullable:
                strict.append(f"row[{at}] is not None")
            names[f"load{index}"] = load
            loaded = f"load{index}(row[{at}])" if load else f"row[{at}]"
            values.append(f"None if row[{at}] is None else {loaded}" if load and nullable else loaded)
        made = f"make({', '.join(self._arguments(values))})" if self._make else values[0]
        check = f" if {' and '.join(strict)} else null(row)" if strict else ""
        # Nothing of the statement's text is in the expression: only places in the row, and names of fields.
        built: Build = eval(f"lambda row: ({made}){check}", names)
        return built

    def _arguments(self, values: list[str]) -> list[str]:
        shape = self._statement.shape
        if any(each.kind is each.KEYWORD_ONLY for each in inspect.signature(shape).parameters.values()):
            return [f"{name}={value}" for name, value in zip(shape.__struct_fields__, values, strict=True)]
        return [f"({value})" for value in values]

    def _null(self, order: Sequence[int]) -> Build:
        def null(row: Any) -> Any:
            name = next(n for n, at, (_, ok) in zip(self._names, order, self._loads, strict=True) if not ok and row[at] is None)
            raise TypeError(f"{self._statement.home}: {name} is NULL in a row; its type must say `| None` (an outer join?)")

        return null
