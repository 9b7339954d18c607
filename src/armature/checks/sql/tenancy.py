"""Whose rows are these? A statement names its own module's tables, and of those only one tenant's rows."""

from collections.abc import Iterator

from armature.checks.finding import Finding
from armature.checks.sql.statement import Prepared, uses
from armature.checks.sql.text import not_own

__all__ = ["check_tenancy"]


def check_tenancy(prepared: Prepared) -> Iterator[Finding]:
    """Findings where a statement reaches for a neighbour's tables or for another tenant's rows."""
    for table in sorted(prepared.tables):
        if not prepared.module.owns(table):
            yield prepared.finding("sql:ownership", *not_own(prepared.module, table))
    own = {table for table in prepared.tables if prepared.module.owns(table) and prepared.module.per_tenant(table)}
    if own and "tenant_id" not in prepared.statement.names:
        text = f"it touches {', '.join(sorted(own))} and does not use :tenant_id"
        cure = "compare tenant_id = :tenant_id; a table without tenants is declared `global` in module.yaml"
        yield prepared.finding("sql:tenant", text, cure)
    elif own:
        yield from _every_table(prepared, own)


def _every_table(prepared: Prepared, own: set[str]) -> Iterator[Finding]:
    """Each place where a tenant's table is brought in needs a comparison of its own: a join by id alone crosses the wall."""
    words = [token.word for token in prepared.spoken]
    openers = {"from", "join", "update", "into", ","}
    places = [
        at for at, word in enumerate(words) if word in own and at and words[at - 1] in openers and words[at + 1 : at + 2] != ["."]
    ]
    compared = _comparisons(words)
    if compared < len(places):
        named = ", ".join(dict.fromkeys(table for _, table in uses(prepared.spoken, own)))
        text = f"it brings in {len(places)} times a tenant's table ({named}) and compares tenant_id {compared} times"
        yield prepared.finding("sql:tenant", text, "join with a.tenant_id = b.tenant_id")


def _comparisons(words: list[str]) -> int:
    """How often tenant_id is compared: `tenant_id = …`, a row value, `using (tenant_id`; an insert's column list counts too."""
    count, opened = 0, []  # type: tuple[int, list[int]]
    for at, word in enumerate(words):
        if word == "(":
            opened.append(at)
        elif word == ")" and opened:
            count += _names_tenant(words, opened.pop(), at)
        elif word in ("=", "in"):
            right = at + 3 if words[at + 2 : at + 3] == ["."] else at + 1
            count += _is_tenant(words, at - 1) or _is_tenant(words, right)
    return count


def _is_tenant(words: list[str], at: int) -> bool:
    return words[at : at + 1] == ["tenant_id"] and words[at - 1] != ":"


def _names_tenant(words: list[str], opens: int, closes: int) -> bool:
    compared = (
        words[opens - 1] in ("using", "=") or words[opens - 2] == "into" or words[closes + 1 : closes + 2] in (["="], ["in"])
    )
    listed = (at for at in range(opens + 1, closes) if words[at - 1] in ("(", ",", ".") and words[at + 1] in (",", ")"))
    return compared and any(_is_tenant(words, at) for at in listed)
