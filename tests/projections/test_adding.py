"""Changes that only add up are one change, and nobody can tell by the tables."""

from typing import Any

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from armature.engine.adding import added_up
from armature.kernel.statement import change
from armature.ports.database import Bound

ADD = change(
    """
insert into sums (tenant_id, kind, value, steps) values (:tenant_id, :kind, :by, :steps)
    on conflict (tenant_id, kind) do update set value = sums.value + excluded.value, steps = sums.steps + excluded.steps
""",
).adding("by", "steps")
MOVE = change("update sums set value = value + :by where tenant_id = :tenant_id and kind = :kind", rows=None).adding("by")
DOUBLE = change("update sums set value = 2 * value where tenant_id = :tenant_id", rows=None)
NOTE = change("insert into notes (tenant_id, note) values (:tenant_id, :note)")
TABLES = """
create table sums (tenant_id text, kind text, value integer, steps integer, primary key (tenant_id, kind));
create table notes (tenant_id text, note text);
"""


def bound(statement: Any, **values: Any) -> Bound:
    return statement, tuple(values[name] for name in statement.params)


TENANTS, KINDS, STEPS = st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(-5, 5)
PLANS = st.one_of(
    st.builds(lambda t, k, n: bound(ADD, tenant_id=t, kind=k, by=n, steps=1), TENANTS, KINDS, STEPS),
    st.builds(lambda t, k, n: bound(MOVE, tenant_id=t, kind=k, by=n), TENANTS, KINDS, STEPS),
    st.builds(lambda t: bound(DOUBLE, tenant_id=t), TENANTS),
    st.builds(lambda t: bound(NOTE, tenant_id=t, note="n"), TENANTS),
)
BETWEEN = [
    bound(ADD, tenant_id="a", kind="x", by=1, steps=1),
    bound(DOUBLE, tenant_id="a"),
    bound(ADD, tenant_id="a", kind="x", by=1, steps=1),
]


def applied(writes: Any) -> list[Any]:
    db = apsw.Connection(":memory:")
    db.execute(TABLES)
    for statement, values in writes:
        db.execute(statement.sqlite, dict(zip(statement.params, values, strict=True)))
    return [db.execute(f"select * from {table} order by 1, 2").fetchall() for table in ("sums", "notes")]


@given(st.lists(PLANS, max_size=30))
@example(BETWEEN)
def test_the_tables_come_out_the_same(writes: list[Bound]) -> None:
    made = added_up(writes)
    assert len(made) <= len(writes)
    assert applied(made) == applied(writes)


def test_the_steps_of_one_row_are_one_change() -> None:
    steps = [bound(ADD, tenant_id="a", kind="x", by=n, steps=1) for n in range(100)]
    (only,) = added_up(steps)
    assert only == bound(ADD, tenant_id="a", kind="x", by=sum(range(100)), steps=100)


def test_what_does_not_add_up_is_left_as_it_is() -> None:
    writes = [bound(NOTE, tenant_id="a", note="n")] * 3
    assert added_up(writes) is writes


def test_values_that_cannot_be_compared_are_not_put_together() -> None:
    writes = [bound(ADD, tenant_id="a", kind=["x"], by=1, steps=1)] * 2
    assert list(added_up(writes)) == writes


def test_what_says_which_row_is_meant_cannot_add_up() -> None:
    with pytest.raises(TypeError, match="'kind' says which row is meant"):
        change("update sums set value = :by where kind = :kind", row=("kind",)).adding("kind")
    with pytest.raises(TypeError, match="'nothing' is to add up but is no parameter"):
        change("update sums set value = :by").adding("nothing")
