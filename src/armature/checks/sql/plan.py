"""How many rows a statement walks over, and how many it may return: its query plan, read.

A statement that is quick on a laptop's hundred rows is an outage on a customer's ten million. An excuse is a comment in the
statement with a reason, `-- scan: forty rows, ever`; an excuse that excuses nothing is a finding too.
"""

from collections.abc import Iterator, Sequence

from armature.checks.finding import Finding
from armature.checks.sql.statement import Prepared, excuses
from armature.engine.ddl import Token
from armature.kernel.statement import Select

__all__ = ["check_nulls", "check_plan"]

_AGGREGATES = frozenset(["count", "sum", "avg", "min", "max", "total", "group_concat", "string_agg", "json_group_array"])


def check_plan(prepared: Prepared) -> Iterator[Finding]:
    """Findings of the plan, those excused left out; each excuse must be needed and say why."""
    reasons = excuses(f"{prepared.statement.text}\n{prepared.statement.sqlite}")
    found = {"scan": list(_scans(prepared)), "rows": list(_unbounded(prepared)), "sort": list(_sorts(prepared))}
    for kind, findings in found.items():
        if kind not in reasons:
            yield from findings
        elif not findings:
            yield prepared.finding("sql:excuse", f"'-- {kind}:' excuses nothing", "remove the comment")
        elif not reasons[kind]:
            yield prepared.finding("sql:excuse", f"'-- {kind}:' gives no reason", "write the reason after the colon")


def _scans(prepared: Prepared) -> Iterator[Finding]:
    for loop in prepared.loops():
        if loop.table is None or not prepared.module.per_tenant(loop.table):
            continue
        if loop.is_scan:
            text = f"it walks over all of {loop.table}, every tenant's rows ({loop.detail})"
        elif "tenant_id=?" not in loop.where and not loop.is_one_row:
            text = f"it walks over rows of other tenants in {loop.table} ({loop.detail})"
        else:
            continue
        cure = "compare tenant_id and give it an index that begins with tenant_id, or excuse it: -- scan: <reason>"
        yield prepared.finding("sql:scan", text, cure)


def check_nulls(prepared: Prepared) -> Iterator[Finding]:
    """SQLite puts nulls first and PostgreSQL last, so an order over a nullable column says which (laws 10)."""
    spoken = [token for depth, token in _deep(prepared.spoken) if depth == 0]
    words = [token.word for token in spoken]
    starts = [at + 2 for at in range(len(words) - 2) if words[at : at + 2] == ["order", "by"]]
    for item in _cut(words[starts[-1] :]) if starts else ():
        qualifier, name = (item[0], item[2]) if item[1:2] == ["."] and len(item) > 2 else (None, item[0])
        column = prepared.column(name, qualifier)
        if column is not None and column.nullable and "nulls" not in item:
            text = f"{column.table}.{name} may be null, and engines disagree where nulls stand in an order"
            yield prepared.finding("sql:nulls", text, f"write {name} … nulls first, or nulls last")


def _cut(words: Sequence[str]) -> Iterator[list[str]]:
    item: list[str] = []
    for word in words:
        if word in ("limit", "offset"):
            break
        if word == ",":
            yield item
            item = []
        else:
            item.append(word)
    if item:
        yield item


def _sorts(prepared: Prepared) -> Iterator[Finding]:
    if prepared.sorts() and not all(loop.is_one_row for loop in prepared.loops()):
        text = "it sorts by hand: every row is read before the first comes back"
        found = prepared.finding("sql:sort", text, "give the order an index (tenant_id, …), or excuse it: -- sort: <reason>")
        yield Finding(found.rule, found.file, found.line, found.text, found.cure, "warning")


def _unbounded(prepared: Prepared) -> Iterator[Finding]:
    if not isinstance(prepared.statement, Select) or _limited(prepared.spoken) or _one_sum(prepared.spoken):
        return
    loops = list(prepared.loops(top=True))
    nested = {loop.name for loop in prepared.loops()} - {loop.name for loop in loops}
    if "values" in [token.word for token in prepared.spoken] or (not loops and not nested):
        return
    if not loops or not all(loop.is_one_row for loop in loops):
        text = "nothing bounds how many rows it returns"
        cure = "add `limit :limit`, look up by a unique key, or excuse it: -- rows: <reason>"
        yield prepared.finding("sql:rows", text, cure)


def _limited(spoken: Sequence[Token]) -> bool:
    return any(depth == 0 and token.word == "limit" for depth, token in _deep(spoken))


def _one_sum(spoken: Sequence[Token]) -> bool:
    """An aggregate without groups returns one row. One in a subquery or over a window says nothing about the rows outside."""
    words = {token.word for depth, token in _deep(spoken) if depth == 0}
    if {"group", "union", "over"} & words:
        return False
    opened: list[str] = []
    outermost, before = False, ""
    for token in spoken:
        if token.text == "(":
            opened.append(before)
        elif token.text == ")" and opened:
            opened.pop()
        elif token.word == "select" and opened:
            opened[-1] = "select"
        elif token.word == "select":
            outermost = True
        elif token.word == "from" and not opened:
            outermost = False
        elif outermost and token.word in _AGGREGATES and "select" not in opened:
            return True
        before = token.word
    return False


def _deep(spoken: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    depth = 0
    for token in spoken:
        depth += (token.text == "(") - (token.text == ")")
        yield depth, token
