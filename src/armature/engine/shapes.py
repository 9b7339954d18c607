"""Whether the columns of a select fit the shape that its rows become; every adapter asks it when a statement is bound."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from armature.kernel.statement import Select

__all__ = ["StatementRefused", "UnfitColumn", "fitting", "same_names"]

H = TypeVar("H")
R = TypeVar("R")


class StatementRefused(ValueError):
    """A statement cannot be prepared, or its columns do not fit its shape."""


class UnfitColumn(TypeError):
    """A column's type cannot hold what the field says."""


def fitting(statement: Select[Any], column: tuple[str, H], hint: Any, loader: Callable[[Any, H], R]) -> R:
    """Return what `loader` makes of a field's type and a column's; refuse with the statement's place what does not fit."""
    name, held = column
    try:
        return loader(hint, held)
    except UnfitColumn as unfit:
        raise StatementRefused(
            f"{statement.home}: column {name!r}: {unfit}; change the field's type or cast the column"
        ) from None


def same_names(statement: Select[Any], fields: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse a select with a column that is no field, a field that has no column, or a name that is there twice."""
    shape = statement.shape.__name__
    for column in columns:
        if column not in fields:
            raise StatementRefused(
                f"{statement.home}: column {column!r} is no field of {shape}; add the field or leave the column out"
            )
        if columns.count(column) > 1:
            raise StatementRefused(f"{statement.home}: column {column!r} is there twice; name one of them with `as`")
    for field in fields:
        if field not in columns:
            raise StatementRefused(
                f"{statement.home}: field {field!r} of {shape} has no column; select it or take the field away"
            )
