"""The columns of a new table, as they are typed: `name:text amount:bigint note:text?`."""

import keyword
import re

from msgspec import Struct

from armature.cli.naming import SQL_WORDS, Names, Refused

__all__ = ["COLUMNS_MAX", "Column", "parse"]

# `edit` takes the id and every column, and an operation takes at most six arguments (the house numbers).
COLUMNS_MAX = 5


class _Kind(Struct, frozen=True):
    """A column word: the Python type, its alias in the contract (if the bare type is not enough), and two samples in JSON."""

    python: str
    alias: str
    first: str
    other: str


_KINDS = {
    "uuid": _Kind("UUID", "", '"018f4d2e-0000-7000-8000-000000000001"', '"018f4d2e-0000-7000-8000-000000000002"'),
    "text": _Kind("str", "Text = Annotated[str, Meta(min_length=1, max_length=2_000)]", '"first"', '"other"'),
    "bigint": _Kind("int", "Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]", "1", "2"),
    "double": _Kind("float", "", "1.5", "2.5"),
    "boolean": _Kind("bool", "", "True", "False"),
    "timestamptz": _Kind(
        "datetime", "Moment = Annotated[datetime, Meta(tz=True)]", '"2030-01-01T00:00:00Z"', '"2031-01-01T00:00:00Z"'
    ),
    "jsonb": _Kind("dict[str, str]", "", '{"key": "first"}', '{"key": "other"}'),
}

_NAME_MAX = 22
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TAKEN = frozenset(
    """
    id tenant_id version expected after limit cursor ctx self work one made before created edited
    str int float bool dict list bytes datetime uuid msgspec domain structs
    """.split()  # noqa: SIM905  (read as a list of words)
)


class Column(Struct, frozen=True):
    """One column; `word` is its type in migrations."""

    name: str
    word: str
    nullable: bool

    @property
    def python(self) -> str:
        """Its type in Python."""
        return _KINDS[self.word].python

    @property
    def alias(self) -> str:
        """The line that declares its type with bounds; empty when the bare type is enough."""
        return _KINDS[self.word].alias

    @property
    def checked(self) -> str:
        """Its type in the contract."""
        return self.alias.partition(" ")[0] or self.python

    @property
    def samples(self) -> tuple[str, str]:
        """Two values that differ, as Python writes JSON."""
        return _KINDS[self.word].first, _KINDS[self.word].other


def parse(text: str, names: Names) -> list[Column]:
    """Read `--table`; everything that is wrong is told with the cure."""
    columns = [_column(word, names) for word in text.replace(",", " ").split()]
    if not columns:
        raise Refused('--table names no column; write name:type, as --table "name:text value:bigint"')
    if len(columns) > COLUMNS_MAX:
        raise Refused(
            f"--table names {len(columns)} columns; begin with at most {COLUMNS_MAX}, because an operation takes at most six "
            "arguments. More come with a second migration, grouped in a struct"
        )
    seen: set[str] = set()
    for column in columns:
        if column.name in seen:
            raise Refused(f"--table: the column '{column.name}' stands there twice; remove one")
        seen.add(column.name)
    return columns


def _column(text: str, names: Names) -> Column:
    name, colon, kind = text.partition(":")
    nullable = kind.endswith("?")
    word = kind.removesuffix("?")
    if not colon or not word:
        raise Refused(
            f"--table: '{text}' is not name:type, as {name or 'name'}:text (or {name or 'name'}:text? where it may be null)"
        )
    if word not in _KINDS:
        raise Refused(f"--table: '{text}': '{word}' is no column word; known are: {', '.join(_KINDS)}")
    if not _NAME.fullmatch(name):
        raise Refused(f"--table: '{name}' is no name of a column; use small letters, digits and _, and begin with a letter")
    if len(name) > _NAME_MAX:
        raise Refused(f"--table: '{name}' has {len(name)} letters; at most {_NAME_MAX}, so that a line of code can name it twice")
    if name in _TAKEN or name in (f"{names.item}_id", names.items):
        raise Refused(f"--table: '{name}' is there already or means something else in a module; choose another, as {name}_given")
    if name in SQL_WORDS or keyword.iskeyword(name):
        where = "SQL" if name in SQL_WORDS else "Python"
        raise Refused(f"--table: '{name}' is a word of {where}; choose another name, as {name}_given")
    return Column(name, word, nullable)
