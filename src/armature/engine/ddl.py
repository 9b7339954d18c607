"""Reading DDL far enough to split, translate and rename it, and no further.

Migrations and projections are SQL files in a small portable language. Whoever needs their sentences, tables or words asks
here, so that quotes, comments and triggers are understood in one place. Line numbers survive every step: messages point
into the file that a person wrote.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

__all__ = ["Sentence", "Token", "created_table", "renamed_ddl", "sentences", "tables", "tokens"]

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<comment>--[^\n]*|/\*.*?\*/)
      | (?P<text>'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
      | (?P<quoted>"(?:[^"]|"")*")
      | (?P<word>[A-Za-z_]\w*)
      | (?P<number>\d[\w.]*)
      | (?P<sign>::|.)""",
    re.VERBOSE | re.DOTALL,
)
_SILENT = frozenset({"space", "comment"})


class Token(Struct, frozen=True, gc=False):
    """A piece of SQL: `kind` is space, comment, text, quoted, word, number or sign; `line` counts from 1, `start` from 0."""

    kind: str
    text: str
    line: int
    start: int

    @property
    def word(self) -> str:
        """The text as SQL compares it: lower case unless it is a quoted text."""
        return self.text.strip('"').lower() if self.kind in ("word", "quoted") else self.text


class Sentence(Struct, frozen=True):
    """One statement with its comments; `line` is where its first word stands."""

    tokens: tuple[Token, ...]

    @property
    def text(self) -> str:
        return "".join(token.text for token in self.tokens)

    @property
    def spoken(self) -> tuple[Token, ...]:
        """The tokens without spaces and comments."""
        return tuple(token for token in self.tokens if token.kind not in _SILENT)

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(token.word for token in self.spoken)

    @property
    def line(self) -> int:
        return self.spoken[0].line

    @property
    def comments(self) -> tuple[str, ...]:
        return tuple(token.text for token in self.tokens if token.kind == "comment")


def tokens(text: str) -> Iterator[Token]:
    """Cut SQL into tokens; joined again they are the text."""
    line = 1
    for found in _TOKEN.finditer(text):
        # An inner group (the tag of a dollar quote) is never the last one that closed.
        yield Token(str(found.lastgroup), found.group(), line, found.start())
        line += found.group().count("\n")


def sentences(text: str) -> list[Sentence]:
    """Split SQL at its semicolons, those inside a trigger's body left alone. What is only comment is dropped."""
    found: list[Sentence] = []
    held: list[Token] = []
    for token in tokens(text):
        held.append(token)
        if token.text == ";" and token.kind == "sign" and _closed(held):
            found.append(Sentence(tuple(held)))
            held = []
    found.append(Sentence(tuple(held)))
    return [sentence for sentence in found if sentence.words not in ((), (";",))]


def _closed(held: list[Token]) -> bool:
    words = [token.word for token in held if token.kind not in _SILENT]
    # A body between `begin` and `end`: SQLite's triggers, PostgreSQL's `begin atomic`. Quoted bodies are one token.
    return words[:1] != ["create"] or "begin" not in words or words[-2:-1] == ["end"]


def created_table(sentence: Sentence) -> str | None:
    """Return the table that a `create table` sentence creates."""
    words = [word for word in sentence.words if word not in ("if", "not", "exists", "temp", "temporary")]
    return words[2] if words[:2] == ["create", "table"] and len(words) > 2 else None


def tables(text: str) -> list[str]:
    """Return the tables that a text creates, in its order."""
    return [name for sentence in sentences(text) if (name := created_table(sentence))]


def renamed_ddl(text: str, renames: Mapping[str, str]) -> str:
    """Return the same DDL on other tables, their indexes and named constraints renamed with them.

    Index names share one namespace in a database: `counter_history__7` needs `counter_by_time__7` beside it.
    """
    return "".join(_renamed(sentence, renames) for sentence in sentences(text))


def _renamed(sentence: Sentence, renames: Mapping[str, str]) -> str:
    suffix = next((_suffix(old, new) for old, new in renames.items() if old in sentence.words), "")
    also = {name: f"{name}{suffix}" for name in _names(sentence)} if suffix else {}
    new = {**also, **renames}
    return "".join(
        new.get(token.word, token.text) if token.kind in ("word", "quoted") else token.text for token in sentence.tokens
    )


def _suffix(old: str, new: str) -> str:
    return new.removeprefix(old) if new.startswith(old) else f"__{new}"


def _names(sentence: Sentence) -> Iterator[str]:
    words = sentence.words
    for at, word in enumerate(words):
        if word == "on" and words[0] == "create" and "index" in words[1:3] and at < 8:
            yield words[at - 1]
            return
        if word == "constraint":
            yield words[at + 1]
