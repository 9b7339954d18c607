"""Rule `sql`: every statement of every module, prepared against the schema that its migrations make (architecture 7)."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches

import apsw

from armature.checks.finding import Finding
from armature.checks.sql.contraction import check_contraction
from armature.checks.sql.module import SqlModule, sql_module
from armature.checks.sql.parameters import check_parameters
from armature.checks.sql.plan import check_nulls, check_plan
from armature.checks.sql.projections import check_projections
from armature.checks.sql.schema import Schema
from armature.checks.sql.shape import check_shape
from armature.checks.sql.statement import Prepared, found_at
from armature.checks.sql.tenancy import check_tenancy
from armature.checks.sql.text import check_ddl, check_words, not_own
from armature.kernel.statement import Statement

__all__ = ["SqlModule", "check_sql", "sql_module"]

_UNKNOWN = re.compile(
    r"no such (?P<what>column|table): (?P<name>[\w.]+)|table (?P<table>\w+) has no column named (?P<column>\w+)"
)


def check_sql(modules: Sequence[SqlModule]) -> list[Finding]:
    """Return everything that is wrong with the modules' SQL on SQLite, by module, file and line."""
    schema = Schema()
    findings: list[Finding] = []
    sound = []
    for module in modules:
        broken = schema.apply(module)
        findings += [*broken, *check_contraction(module)]
        if not broken:
            sound.append(module)
    for module in sound:
        findings += check_ddl(module, schema)
        for statement in module.statements:
            findings += _check_statement(statement, module, schema)
    return list(dict.fromkeys(findings))


def _check_statement(statement: Statement, module: SqlModule, schema: Schema) -> Iterator[Finding]:
    words = list(check_words(statement))
    yield from words
    yield from check_projections(statement, module)
    try:
        prepared = Prepared(statement, module, schema)
    except apsw.Error as error:
        # `now()` is a clock before it is an unknown function; once is enough.
        if not any(found.rule == "sql:clock" for found in words):
            yield _unprepared(statement, module, schema, str(error))
        return
    yield from check_tenancy(prepared)
    # What `*` brings along would be told column by column.
    if not any(found.rule == "sql:star" for found in words):
        yield from check_shape(prepared)
    yield from check_parameters(prepared)
    yield from check_plan(prepared)
    yield from check_nulls(prepared)


def _unprepared(statement: Statement, module: SqlModule, schema: Schema, said: str) -> Finding:
    found = _UNKNOWN.search(said)
    if found is None:
        return found_at(statement, "sql:prepare", f"SQLite cannot prepare it: {said}", "write SQL that every engine takes")
    if found["what"] == "table":
        if not module.owns(found["name"]):
            return found_at(statement, "sql:ownership", *not_own(module, found["name"]))
        known = sorted(table for table in schema.tables() if module.owns(table))
        return found_at(statement, "sql:unknown", f"there is no table {found['name']}", _near(found["name"], known))
    tables = [found["table"]] if found["table"] else sorted(statement.reads | statement.writes)
    columns = [name for table in tables for name in schema.columns(table)]
    name = found["column"] or found["name"].rpartition(".")[2]
    text = f"there is no column {name} in {', '.join(tables)}"
    return found_at(statement, "sql:unknown", text, _near(name, list(dict.fromkeys(columns))))


def _near(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return f"did you mean {near[0]}? Otherwise a migration must create it"
    return f"there are: {', '.join(known) or 'none'}; or a migration must create it"
