"""The small language in which tables are declared once for every engine: columns of eight words, and nothing an engine calls
its own.

Adapters turn the words into their own types; what they must understand of a `create table` for that stands here, so that
every engine refuses the same text at the same line.
"""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from armature.engine.ddl import Sentence, Token, created_table
from armature.ports.migrator import SchemaRefused, Trouble

__all__ = ["COLUMN_WORDS", "PortableColumn", "PortableTable", "added_column", "portable_table", "put"]

COLUMN_WORDS = ("uuid", "text", "bigint", "double", "boolean", "timestamptz", "jsonb", "bytea")
_CONSTRAINTS = frozenset({"constraint", "primary", "unique", "check", "foreign"})
_AFTER_TYPE = frozenset({"not", "null", "primary", "unique", "check", "default", "references", "constraint", "collate"})
_TWINS = "write what every engine takes, or twins: NNNN_name.sqlite.sql and NNNN_name.postgres.sql"


class PortableColumn(Struct, frozen=True):
    """A column: its name, and its type as a column word and where that stands."""

    name: str
    word: str
    token: Token


class PortableTable(Struct, frozen=True):
    """A table with its columns, the names of its primary key, and the parenthesis that ends it."""

    name: str
    columns: tuple[PortableColumn, ...]
    key: tuple[str, ...]
    closes: Token


def portable_table(sentence: Sentence, file: str) -> PortableTable | None:
    """Read a `create table`, None for any other sentence; what is not portable is refused with its line and a cure."""
    name = created_table(sentence)
    if not name:
        return None
    spoken = sentence.spoken
    opens = next((at for at, token in enumerate(spoken) if token.text == "("), None)
    if opens is None or "as" in sentence.words[:opens]:
        raise _refused(file, spoken[0], "a table is created without its columns", "list its columns: name word, …")
    items, closes = _items(spoken, opens)
    rest = [token for token in spoken[closes + 1 :] if token.text != ";"]
    if rest:
        raise _refused(file, rest[0], f"'{rest[0].text}' after a table's columns is one engine's own", _TWINS)
    columns = tuple(_column(item, file) for item in items if item[0].word not in _CONSTRAINTS)
    return PortableTable(name, columns, tuple(_key(items)), spoken[closes])


def added_column(sentence: Sentence, file: str) -> PortableColumn | None:
    """Read the column of an `alter table … add`, None for any other sentence."""
    words = sentence.words
    if words[:2] != ("alter", "table") or "add" not in words[3:4] or words[4] in _CONSTRAINTS:
        return None
    return _column(list(sentence.spoken[5 if words[4] == "column" else 4 :]), file)


def put(sentence: Sentence, changed: Mapping[Token, str]) -> str:
    """Return the sentence with some of its tokens written otherwise."""
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


def _column(column: list[Token], file: str) -> PortableColumn:
    if len(column) < 2 or column[1].kind != "word":
        text = f"column '{column[0].word}' has no type"
        raise _refused(file, column[0], text, f"write one of: {', '.join(COLUMN_WORDS)}")
    name, word = column[0].word, column[1]
    after = column[2] if len(column) > 2 else None
    written = word.text
    if after is not None and after.text != ";" and after.word not in _AFTER_TYPE:
        written = f"{word.text} {after.text}" if after.kind == "word" else f"{word.text}{after.text}…"
    if written.lower() not in COLUMN_WORDS:
        text = f"column '{name}' has the unknown type '{written}'"
        raise _refused(file, word, text, f"write one of: {', '.join(COLUMN_WORDS)}")
    own = next((token for token in column if token.word in ("autoincrement", "generated")), None)
    if own is not None:
        raise _refused(file, own, f"'{own.text}' is one engine's own", f"take an id from ctx.ids; or {_TWINS}")
    return PortableColumn(name, written.lower(), word)


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
