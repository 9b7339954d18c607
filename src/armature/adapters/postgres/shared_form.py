"""The SQL with which many callers ask one question in one round trip.

The values of all callers are arrays, `armature_ask` is a row per caller, and the statement runs once for each of those rows.
Rows come back with the number of the caller whose values made them, so no row can reach anybody else.

`offset 0` keeps PostgreSQL from pulling the statement apart: it stays a query of its own that takes its values from a row of
`armature_ask`, and therefore cannot begin before there is one. Such a row exists only after `set_config` has been worked out,
as it makes the arrays. That is how the policies know the callers' tenants without a round trip of its own. The
setting ends with the statement; were the order ever another one, policies would find it empty and show nothing.
"""

from collections.abc import Sequence

__all__ = ["shared_form"]


def shared_form(inner: str, types: Sequence[str], columns: Sequence[str], *, secured: bool) -> str:
    """Return the select for many callers.

    `inner` names its values `armature_ask.p0`, `armature_ask.p1` …, of these types; lists travel as text. When `secured`, the
    parameter after the arrays is the value of `app.tenants`.
    """
    arrays = [f"${index + 1}::{'text' if held.endswith('[]') else held}[]" for index, held in enumerate(types)]
    if secured:
        told = f"set_config('app.tenants', ${len(types) + 1}, true)"
        arrays[0] = f"case when {told} is not null then {arrays[0]} end"
    names = ", ".join(f"p{index}" for index in range(len(types)))
    wanted = ", ".join(f'armature_row."{column}"' for column in columns)
    return (
        f"select armature_ask.ord, {wanted}\n"
        f"  from unnest({', '.join(arrays)}) with ordinality armature_ask({names}, ord)\n"
        f" cross join lateral (select * from (\n{inner}\n) armature_one offset 0) armature_row"
    )
