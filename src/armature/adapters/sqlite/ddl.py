"""The portable column words, as SQLite must store them.

SQLite's loose affinity turned a uuid's hex text into a REAL, so every table is STRICT (laws 10). A table whose
primary key is anything but one bigint is written `without rowid`, so that rows lie in the order of the key and a
tenant's page is a walk over neighbours; except where a jsonb or bytea column makes rows long (figures:
docs/decisions/0016-sqlite-tables.md).
"""

from collections.abc import Iterator

from armature.engine.ddl import Sentence, Token, created_table, sentences
from armature.ports.migrator import SchemaRefused, Trouble

__all__ = ["COLUMN_WORDS", "translate"]

COLUMN_WORDS = {
    "uuid": "blob",
    "text": "text",
    "bigint": "integer",
    "double": "real",
    "boolean": "integer",
    "timestamptz": "integer",
    "jsonb": "text",
    "bytea": "blob",
}
_LONG = frozenset({"jsonb", "bytea"})
_CONSTRAINTS = frozenset({"constraint", "primary", "unique", "check", "foreign"})
_AFTER_TYPE = frozenset({"not", "null", "primary", "unique", "check", "default", "references", "constraint", "collate"})
_TWINS = "write what every engine takes, or twins: NNNN_name.sqlite.sql and NNNN_name.postgres.sql"


def translate(text: str, *, file: str) -> str:
    """Return portable DDL as SQLite's. Lines keep their numbers; an unknown column word is refused with its line."""
    return "".join(_translated(sentence, file) for sentence in sentences(text))


def _translated(sentence: Sentence, file: str) -> str:
    words = sentence.words
    if created_table(sentence):
        return _table(sentence, file)
    if words[:2] == ("alter", "table") and "add" in words[3:4] and words[4] not in _CONSTRAINTS:
        column = list(sentence.spoken[5 if words[4] == "column" else 4 :])
        return _put(sentence, {_place(column, file): _stored(column, file)})
    return sentence.text


def _table(sentence: Sentence, file: str) -> str:
    spoken = sentence.spoken
    opens = next((at for at, token in enumerate(spoken) if token.text == "("), None)
    if opens is None or "as" in sentence.words[:opens]:
        raise _refused(file, spoken[0], "a table is created without its columns", "list its columns: name word, …")
    items, closes = _items(spoken, opens)
    rest = [token for token in spoken[closes + 1 :] if token.text != ";"]
    if rest:
        raise _refused(file, rest[0], f"'{rest[0].text}' after a table's columns is one engine's own", _TWINS)
    columns = [item for item in items if item[0].word not in _CONSTRAINTS]
    changed = {_place(column, file): _stored(column, file) for column in columns}
    words = {column[0].word: column[1].word for column in columns}
    key = tuple(words.get(name) for name in _key(items))
    plain = key in ((), ("bigint",)) or not _LONG.isdisjoint(words.values())
    suffix = " strict" if plain else " strict, without rowid"
    changed[spoken[closes]] = f"){suffix}"
    return _put(sentence, changed)


def _put(sentence: Sentence, changed: dict[Token, str]) -> str:
    return "".join(changed.get(token, token.text) for token in sentence.tokens)


def _items(spoken: tuple[Token, ...], opens: int) -> tuple[list[list[Token]], int]:
    """Cut what stands between a table's parentheses at its commas; return it and where it closes."""
    depth, items, at = 0, [[]], opens  # type: tuple[int, list[list[Token]], int]
    for at in range(opens, len(spoken)):
        text = spoken[at].text
        depth += (text == "(") - (text == ")")
        if depth == 0:
            break
        if depth == 1 and text == ",":
            items.append([])
        elif at > opens:
            items[-1].append(spoken[at])
    return [item for item in items if item], at


def _place(column: list[Token], file: str) -> Token:
    if len(column) < 2 or column[1].kind != "word":
        known = ", ".join(COLUMN_WORDS)
        raise _refused(file, column[0], f"column '{column[0].word}' has no type", f"write one of: {known}")
    return column[1]


def _stored(column: list[Token], file: str) -> str:
    name, word = column[0].word, column[1]
    after = column[2] if len(column) > 2 else None
    written = word.text
    if after is not None and after.text != ";" and after.word not in _AFTER_TYPE:
        written = f"{word.text} {after.text}" if after.kind == "word" else f"{word.text}{after.text}…"
    if written.lower() not in COLUMN_WORDS:
        known = ", ".join(COLUMN_WORDS)
        raise _refused(file, word, f"column '{name}' has the unknown type '{written}'", f"write one of: {known}")
    own = next((token for token in column if token.word in ("autoincrement", "generated")), None)
    if own is not None:
        raise _refused(file, own, f"'{own.text}' is one engine's own", f"take an id from ctx.ids; or {_TWINS}")
    return COLUMN_WORDS[written.lower()]


def _key(items: list[list[Token]]) -> Iterator[str]:
    for item in items:
        words = [token.word for token in item]
        at = next((at for at in range(len(words) - 1) if words[at : at + 2] == ["primary", "key"]), None)
        if at is None:
            continue
        if words[0] not in _CONSTRAINTS:
            yield words[0]
        else:
            yield from (word for word in words[at + 2 :] if word not in ("(", ",", ")"))


def _refused(file: str, token: Token, text: str, cure: str) -> SchemaRefused:
    return SchemaRefused(Trouble(file, token.line, text, cure))
