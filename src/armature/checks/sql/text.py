"""What can be seen in the words of SQL alone: engine clocks, bare sums, stars, other modules' names."""

import itertools
from collections.abc import Iterator, Sequence

from armature.checks.finding import Finding
from armature.checks.sql.module import SqlModule
from armature.checks.sql.schema import Schema, ddl_sentences
from armature.checks.sql.statement import found_at, spoken
from armature.engine.ddl import Sentence, Token, created_table
from armature.kernel.statement import Change, Statement

__all__ = ["check_ddl", "check_words", "not_own"]

_BARE_CLOCKS = frozenset({"current_timestamp", "current_date", "current_time", "localtime", "localtimestamp"})
_CLOCKS = frozenset(
    {"now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday", "nextval", "last_insert_rowid"}
    | {"random", "randomblob", "gen_random_uuid", "uuid_generate_v4", "uuidv4", "uuidv7"}
)
_DATES = frozenset(["date", "time", "datetime", "julianday", "strftime", "unixepoch", "timediff"])
_SUMS = {"sum": "bigint", "avg": "double", "total": "double"}


def check_words(statement: Statement) -> Iterator[Finding]:
    """Findings of one statement, from its words; each variant is read."""
    for variant in dict.fromkeys((statement.sqlite, statement.postgres)):
        words = spoken(variant)
        for token in _clocks(words):
            yield found_at(statement, "sql:clock", *_clock(token))
        for token in _bare_sums(words):
            word = token.word
            text = f"{word}(…) is of another type on each engine"
            yield found_at(statement, "sql:sum", text, f"write cast({word}(…) as {_SUMS[word]})")
        yield from _unnamed_columns(statement, words)
        if any(token.word == "set_config" for token in words):
            # It could take another role, or name other tenants, in the middle of a lane's transaction.
            text = "'set_config' changes under whose rights the transaction goes on"
            yield found_at(statement, "sql:rights", text, "leave it out: roles and tenants are set by the platform alone")


def check_ddl(module: SqlModule, schema: Schema) -> Iterator[Finding]:
    """Findings of a module's migrations and projections' DDL, from their words, and of the tables they made."""
    made: set[str] = set()
    for file, found in ddl_sentences(module):
        for sentence in found:
            made.update(filter(None, [created_table(sentence)]))
            for token in _clocks(sentence.spoken):
                yield Finding("sql:clock", file, token.line, *_clock(token))
            for token in _nameless(sentence):
                text = "a uniqueness without a name cannot become a refusal with one"
                yield Finding("sql:unique", file, token.line, text, f"write create unique index {module.name}_… on …")
    for file, line, name in schema.foreign(module):
        yield Finding("sql:ownership", file, line, *not_own(module, name))
    for table in sorted(made & schema.tables()):
        yield from _check_table(table, module, schema)
    for table in sorted(set(module.tables) - schema.tables()):
        cure = f"remove it, or write what the migrations create: {', '.join(sorted(made & schema.tables())) or 'nothing'}"
        yield Finding("sql:tables", str(module.folder / "module.yaml"), 0, f"'{table}' is declared but never created", cure)


def _check_table(table: str, module: SqlModule, schema: Schema) -> Iterator[Finding]:
    if not schema.strict(table):
        yield Finding("sql:strict", str(module.folder), 0, f"table {table} takes values of any type", "create it `strict`")
    if module.per_tenant(table) and "tenant_id" not in schema.columns(table):
        cure = f"add `tenant_id text not null` to its key, or write `{table}: global` under `tables:` in module.yaml"
        yield Finding("sql:tenant", str(module.folder / "module.yaml"), 0, f"table {table} has no column tenant_id", cure)


def _nameless(sentence: Sentence) -> Iterator[Token]:
    if created_table(sentence):
        yield from (token for token in sentence.spoken if token.kind == "word" and token.word == "unique")


def not_own(module: SqlModule, name: str) -> tuple[str, str]:
    """Return text and cure for a name that is not the module's."""
    cure = f"a module's SQL names only what begins with '{module.name}_'; ask the neighbour through its contract"
    return f"'{name}' does not belong to module {module.name}", cure


def _clock(token: Token) -> tuple[str, str]:
    text = f"'{token.text}' takes time or chance from the engine, which a test cannot move and a replay cannot repeat"
    return text, "bind a value: ctx.now, ctx.ids, or the event's own time"


def _clocks(words: Sequence[Token]) -> Iterator[Token]:
    for at, token in enumerate(words):
        if token.kind != "word":
            continue
        called = at + 1 < len(words) and words[at + 1].text == "("
        argument = words[at + 2].text.lower() if called and at + 2 < len(words) else ""
        asks_now = token.word in _DATES and argument in ("'now'", ")")
        formats_now = token.word == "strftime" and called and "'now'" in (word.text.lower() for word in words[at : at + 6])
        if token.word in _BARE_CLOCKS or (called and (token.word in _CLOCKS or asks_now or formats_now)):
            yield token


def _bare_sums(words: Sequence[Token]) -> Iterator[Token]:
    opened: list[str] = []
    for at, token in enumerate(words):
        if token.text == "(":
            opened.append(words[at - 1].word if at else "")
        elif token.text == ")" and opened:
            opened.pop()
        called = at + 1 < len(words) and words[at + 1].text == "("
        if token.kind == "word" and token.word in _SUMS and called and "cast" not in opened:
            yield token


def _unnamed_columns(statement: Statement, words: Sequence[Token]) -> Iterator[Finding]:
    """Two releases run on one schema; a statement that says `*` means another thing in each."""
    for before, token in itertools.pairwise(words):
        if token.text == "*" and before.word in ("select", "distinct", ".", "returning"):
            text = "'*' changes its meaning when the next release adds a column"
            yield found_at(statement, "sql:star", text, "name the columns")
    if isinstance(statement, Change) and [word.word for word in words[:2]] == ["insert", "into"] and words[3].text != "(":
        text = "an insert without its columns breaks when the next release adds one"
        yield found_at(statement, "sql:star", text, f"write insert into {statement.table} (column, …)")
