"""From what a caller gives to a statement's values, in the statement's order.

Which name comes from where is the same for every call of one place in the code, so it is decided once, for each (statement,
kind of source, names given), and becomes one expression that builds the tuple. As `dataclasses` does, the expression is made
as text; every name in it was an identifier of the statement before.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from armature.kernel.statement import Statement
from armature.kernel.work import WorkMisuse

__all__ = ["bind"]

Make = Callable[[Any, Mapping[str, Any], str], tuple[Any, ...]]

_made: dict[tuple[Any, ...], Make] = {}


def bind(statement: Statement, source: Struct | None, params: Mapping[str, Any], tenant: str) -> tuple[Any, ...]:
    """Return the values: from `params`, then the tenant, then the fields of `source`; anything else is a bug of the caller."""
    make = _made.get((statement, source.__class__, *params))
    if make is None:
        make = _made[(statement, source.__class__, *params)] = _make(statement, source, params)
    return make(source, params, tenant)


def _make(statement: Statement, source: Struct | None, params: Mapping[str, Any]) -> Make:
    for name in params:
        if name == "tenant_id" or name not in statement.names:
            raise WorkMisuse(f"{statement.home}: {name!r} is no parameter of the statement that a caller may give")
    parts = "".join(_part(statement, name, source, params) + ", " for name in statement.params)
    made: Make = eval(f"lambda source, params, tenant: ({parts})", {})
    return made


def _part(statement: Statement, name: str, source: Struct | None, params: Mapping[str, Any]) -> str:
    if name in params:
        return f"params[{name!r}]"
    if name == "tenant_id":
        return "tenant"
    if source is not None and name in source.__struct_fields__:
        return f"source.{name}"
    raise WorkMisuse(f"{statement.home}: the parameter :{name} was given neither by name nor by a source's field")
