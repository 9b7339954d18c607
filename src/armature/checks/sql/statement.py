"""One statement, prepared: its tokens, the tables its aliases stand for, its columns and its plan."""

import re
from collections.abc import Iterator
from functools import cached_property

import apsw
import apsw.ext

from armature.checks.finding import Finding
from armature.checks.sql.module import SqlModule
from armature.checks.sql.schema import Column, Schema
from armature.engine.ddl import Token, tokens
from armature.kernel.statement import Statement

__all__ = ["Loop", "Prepared", "excuses", "found_at", "spoken", "uses"]

_SILENT = ("space", "comment")
_EXCUSE = re.compile(r"--[ \t]*(scan|rows|sort):[ \t]*(.*\S)?")
_LOOP = re.compile(
    r"(?P<verb>SCAN|SEARCH) (?P<name>\S+)"
    r"(?: USING (?:(?P<automatic>AUTOMATIC )?(?:PARTIAL )?(?:COVERING )?INDEX(?: (?P<index>[^\s(]+))?|(?:INTEGER )?PRIMARY KEY))?"
    r"(?: \((?P<where>.*)\))?"
)
# What may stand after a table's name and is not its alias.
_KEYWORDS = frozenset(
    {"as", "on", "where", "join", "left", "right", "full", "inner", "outer", "cross", "natural", "using", "indexed", "not"}
    | {"group", "order", "limit", "offset", "having", "window", "union", "except", "intersect", "select", "returning"}
    | {"set", "values", "default"}
)


def excuses(text: str) -> dict[str, str]:
    """Return the reasons that comments of a statement give, by what they excuse."""
    return {kind: (reason or "") for kind, reason in _EXCUSE.findall(text)}


class Loop:
    """A line of a query plan that walks over a table or looks something up in it."""

    def __init__(self, detail: str, tables: dict[str, str], schema: Schema) -> None:
        found = _LOOP.match(detail)
        self.name = found["name"] if found else ""
        self.table = tables.get(self.name.lower()) if "VIRTUAL TABLE" not in detail else None
        self.detail = detail
        self.where = (found and found["where"]) or ""
        self.is_scan = bool(found and (found["verb"] == "SCAN" or found["automatic"] or not self.where))
        self.is_loop = found is not None
        index = found["index"] if found else None
        width = schema.unique(self.table, index) if self.table else None
        self.is_one_row = bool(width and self.where.count("=?") == width)


class Prepared:
    """A statement of a module against the schema. Raises apsw.Error when SQLite cannot prepare it."""

    def __init__(self, statement: Statement, module: SqlModule, schema: Schema) -> None:
        self.statement = statement
        self.module = module
        self.schema = schema
        self.spoken = spoken(statement.sqlite)
        self.info = apsw.ext.query_info(schema.plans, statement.sqlite, actions=True, explain_query_plan=True)

    def finding(self, rule: str, text: str, cure: str) -> Finding:
        """Return a finding where the statement was declared."""
        return found_at(self.statement, rule, text, cure)

    @cached_property
    def tables(self) -> set[str]:
        """The tables it touches, as SQLite resolved them."""
        touched = {str(action.table_name).lower() for action in self.info.actions or () if action.table_name}
        return (touched | self.statement.reads | self.statement.writes) & self.schema.tables()

    @cached_property
    def aliases(self) -> dict[str, str]:
        """What each name in the statement stands for; a table also stands for itself."""
        return dict(uses(self.spoken, self.tables))

    @cached_property
    def outer(self) -> set[str]:
        """The tables whose columns may be null although they are declared `not null`: the far side of an outer join."""
        words = [token.word for token in self.spoken]
        far = {words[at + 1] for at, word in enumerate(words[:-1]) if word == "join" and "left" in words[max(at - 2, 0) : at]}
        if {"right", "full"} & set(words):
            return self.tables
        return {self.aliases[name] for name in far if name in self.aliases}

    def column(self, name: str, qualifier: str | None = None) -> Column | None:
        """Return the column a name means, None where that is not certain."""
        tables = {self.aliases[qualifier]} if qualifier in self.aliases else self.tables if qualifier is None else set()
        found = [columns[name] for table in tables if name in (columns := self.schema.columns(table))]
        return found[0] if len({column.word for column in found}) == 1 else None

    def loops(self, *, top: bool = False) -> Iterator[Loop]:
        """Return the plan's walks and look-ups; `top`: those that decide how many rows come out."""
        plan = self.info.query_plan
        for detail in _details(plan.sub or [] if plan else [], top=top):
            loop = Loop(detail, self.aliases, self.schema)
            if loop.is_loop:
                yield loop

    def sorts(self) -> bool:
        """Tell whether rows are sorted by hand, no index having their order."""
        plan = self.info.query_plan
        return any("TEMP B-TREE FOR" in detail and "ORDER BY" in detail for detail in _details(plan.sub or [] if plan else []))


def found_at(statement: Statement, rule: str, text: str, cure: str) -> Finding:
    """Return a finding at a statement's place."""
    file, _, line = statement.home.rpartition(":")
    return Finding(rule, file, int(line or 0), text, cure)


def spoken(text: str) -> list[Token]:
    """Return SQL's tokens without spaces and comments."""
    return [token for token in tokens(text) if token.kind not in _SILENT]


def uses(found: list[Token], tables: set[str]) -> Iterator[tuple[str, str]]:
    """Return (name, table) for each place where a table is brought in, its alias where it has one."""
    for at, token in enumerate(found):
        before, after = found[at - 1].text if at else "", [*found[at + 1 : at + 3]]
        if token.word not in tables or before == "." or (after and after[0].text == "."):
            continue
        yield token.word, token.word
        alias = after[-1] if after and after[0].word == "as" else after[0] if after else None
        if alias and alias.kind in ("word", "quoted") and alias.word not in _KEYWORDS:
            yield alias.word, token.word


def _details(nodes: list[apsw.ext.QueryPlan], *, top: bool = False) -> Iterator[str]:
    for node in nodes:
        yield node.detail
        if not top:
            yield from _details(node.sub or [])
