"""Every statement against PostgreSQL, which knows the types of expressions that SQLite does not have (laws 10).

A server is needed for that, so what it said is written to `contracts/sql.json` and committed. The fast gate only compares
fingerprints: a statement whose words, shape or tables changed since has not been checked.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import apsw
import msgspec
from msgspec import Struct, inspect

import armature.engine
from armature.adapters.postgres.door import PostgresMissing, postgres
from armature.checks.finding import Finding
from armature.checks.sql.module import SqlModule, statements
from armature.checks.sql.parameters import parameter_words
from armature.checks.sql.schema import Schema, migrations
from armature.checks.sql.shape import KINDS, column_word, kind, struct_kinds
from armature.checks.sql.statement import Prepared, found_at
from armature.engine.migrations import FRAMEWORK, found
from armature.kernel.statement import Change, Select, Statement
from armature.ports.migrator import SchemaRefused

__all__ = ["FILE", "check_on_postgres", "check_recorded", "framework"]

FILE = Path("contracts") / "sql.json"
_AGAIN = "call `armature check sql --postgres URL` (without a server of your own: make sql) and commit contracts/sql.json"


class Entry(Struct, frozen=True, omit_defaults=True):
    """What PostgreSQL said of one statement. `fingerprint` covers its words, its shape and its module's tables."""

    home: str
    fingerprint: str
    parameters: dict[str, str] = {}
    columns: dict[str, str] = {}


class Record(Struct, frozen=True):
    """The committed file: by module, in the order of the code."""

    postgres: int
    statements: dict[str, list[Entry]]


def framework() -> SqlModule:
    """Return the framework as a module: its statements run on its own lane."""
    folder = Path(str(armature.engine.__file__)).parent
    names = [f"{armature.engine.__name__}.{one.name}" for one in iter_modules([str(folder)])]
    declared = dict.fromkeys(one for name in names for one in statements(name))
    return SqlModule(name=FRAMEWORK, folder=folder, statements=tuple(declared))


def check_recorded(root: Path, modules: Sequence[SqlModule]) -> Iterator[Finding]:
    """Findings where the committed record is not of these statements; a project without one never asked PostgreSQL."""
    path = root / FILE
    if not path.exists():
        return
    try:
        record = msgspec.json.decode(path.read_bytes(), type=Record)
    except msgspec.DecodeError as error:
        yield Finding("sql:postgres", str(path), 0, f"it cannot be read: {error}", _AGAIN)
        return
    known = {module: {one.fingerprint for one in entries} for module, entries in record.statements.items()}
    for module in modules:
        prints = {_fingerprint(statement, module): statement for statement in module.statements}
        for fingerprint, statement in prints.items():
            if fingerprint not in known.get(module.name, ()):
                text = "it, its shape or its tables changed since PostgreSQL was asked about it"
                yield found_at(statement, "sql:postgres", text, _AGAIN)
        gone = known.pop(module.name, set()) - prints.keys()
        if gone:
            yield Finding("sql:postgres", str(path), 0, f"{len(gone)} statements of {module.name} are no more", _AGAIN)
    for name in known.keys() - {FRAMEWORK}:
        yield Finding("sql:postgres", str(path), 0, f"there is no module {name}", _AGAIN)


def check_on_postgres(root: Path, modules: Sequence[SqlModule], url: str) -> list[Finding]:
    """Explain every statement under its lane on a throw-away database of that server; write what it said when all is well."""
    try:
        parts = postgres("trial")
    except PostgresMissing as missing:
        return [Finding("sql:postgres", str(root / FILE), 0, "PostgreSQL cannot be asked", str(missing))]
    kinds = {module.name: dict(module.tables) for module in modules}
    read_models = {file: text for module in modules for file, text in module.projections_ddl.items()}
    folders = [(module.name, module.folder) for module in modules if module.name != FRAMEWORK]
    schema = Schema()
    for module in modules:
        if module.name != FRAMEWORK:
            schema.apply(module)
    findings: list[Finding] = []
    try:
        with parts.trial(url, kinds, folders, read_models) as trial:
            entries = {one.name: list(_explained(one, trial, parts.TrialRefused, schema, findings)) for one in modules}
            record = Record(trial.version, entries)
    except SchemaRefused as refused:
        return [Finding("sql:postgres", one.file, one.line, one.text, one.cure) for one in refused.troubles]
    if not findings:
        (root / FILE).parent.mkdir(exist_ok=True)
        (root / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n")
    return findings


def _explained(
    module: SqlModule, trial: Any, refusal: type[Exception], schema: Schema, findings: list[Finding]
) -> Iterator[Entry]:
    for statement in module.statements:
        try:
            said = trial.explain(statement, module.name)
        except refusal as refused:
            text, cure = refused.args[0].partition("; ")[::2]
            findings.append(found_at(statement, "sql:postgres", f"PostgreSQL refuses it: {text}", cure))
            continue
        findings += _compared(statement, module, said.parameters, dict(said.columns), schema)
        file = Path(statement.home.rpartition(":")[0])
        home = file.relative_to(module.folder) if file.is_relative_to(module.folder) else Path(file.name)
        yield Entry(home.as_posix(), _fingerprint(statement, module), said.parameters, dict(said.columns))


def _compared(
    statement: Statement, module: SqlModule, parameters: Mapping[str, str], columns: Mapping[str, str], schema: Schema
) -> Iterator[Finding]:
    """Compare PostgreSQL's types with Python's, and with what SQLite's schema says of the same columns."""
    for name, held in _known(statement).items():
        word = parameters.get(name, "").removesuffix("[]")
        if word and held not in KINDS.get(word, ()):
            yield found_at(
                statement, "sql:postgres", f":{name} is {held}, PostgreSQL takes {word}", "compare like with like, or cast"
            )
    wanted = _wanted(statement, list(columns))
    for name, word in columns.items():
        held = wanted.get(name, "")
        if held and held not in KINDS.get(word, ()):
            text = f"column {name} is {word} on PostgreSQL and cannot become {held}"
            yield found_at(statement, "sql:postgres", text, "cast it to a column word, or change the field")
    try:
        prepared = Prepared(statement, module, schema)
    except apsw.Error:
        return  # the rule for SQLite tells why
    for name, words in parameter_words(prepared).items():
        for word in words - {parameters.get(name, "").removesuffix("[]")}:
            if _differ(word, parameters.get(name, "").removesuffix("[]")):
                text = f":{name} is {parameters[name]} on PostgreSQL and {word} on SQLite"
                yield found_at(statement, "sql:postgres", text, "let both twins of the migration say the same, or cast")
    for at, (name, word) in enumerate(columns.items()):
        sqlite = column_word(prepared, at)
        if _differ(sqlite, word):
            text = f"column {name} is {word} on PostgreSQL and {sqlite} on SQLite"
            yield found_at(statement, "sql:postgres", text, "let both twins of the migration say the same, or cast")


def _differ(first: str, second: str) -> bool:
    return first in KINDS and second in KINDS and KINDS[first].isdisjoint(KINDS[second])


def _known(statement: Statement) -> dict[str, str]:
    cas = {statement.cas: "int"} if isinstance(statement, Change) and statement.cas else {}
    return {"tenant_id": "text", **cas}


def _wanted(statement: Statement, columns: Sequence[str]) -> dict[str, str]:
    if not isinstance(statement, Select):
        return {}
    if isinstance(inspect.type_info(statement.shape), inspect.StructType):
        return struct_kinds(statement.shape)
    return dict.fromkeys(columns, kind(statement.shape))


def _fingerprint(statement: Statement, module: SqlModule) -> str:
    parts = [statement.postgres, *sorted(_wanted(statement, ["value"]).items()), *sorted(_known(statement).items())]
    return hashlib.sha256(repr([parts, _schema(module)]).encode()).hexdigest()[:32]


def _schema(module: SqlModule) -> list[str]:
    """What makes a module's tables; the framework's own are made by its migrations alone."""
    try:
        made = found([], "postgres") if module.name == FRAMEWORK else migrations(module, "postgres")
    except SchemaRefused:
        return []
    return [*(one.checksum for one in made), *module.projections_ddl.values(), repr(sorted(module.tables.items()))]
