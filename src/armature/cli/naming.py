"""Names of new things: what a module, its one thing and its many things are called, and what may not be called so.

A name ends up in Python, in SQL, in addresses and in YAML, so it is refused where any of them would trip over it.
"""

import keyword
import re

from msgspec import Struct

__all__ = ["SQL_WORDS", "Names", "Refused", "module_names", "project_name"]

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_PROJECT = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
# Names of classes, tables and files are made of it; with more letters their lines outgrow the formatter's width.
_NAME_MAX = 24

SQL_WORDS = frozenset(
    """
    abort add all alter analyse analyze and any array as asc asymmetric authorization autoincrement begin between both by
    cascade case cast check collate column commit conflict constraint create cross current_date current_time current_timestamp
    current_user database default deferrable deferred delete desc detach distinct do drop each else end escape except exclusive
    exists explain fail false fetch filter following for foreign freeze from full glob grant group having if ignore ilike
    immediate in index indexed initially inner insert instead intersect into is isnull join key lateral leading left like limit
    localtime localtimestamp match natural no not nothing notnull null of offset on only or order outer over overlaps partition
    placing plan pragma preceding primary query raise range recursive references regexp reindex release rename replace returning
    right rollback row rows savepoint select session_user set similar some symmetric table tablesample temp temporary then to
    trailing transaction trigger true unbounded union unique update user using vacuum values variadic verbose view virtual
    when where window with without
    """.split()  # noqa: SIM905  (a line for each of 170 words would hide the file)
)
"""Reserved in SQLite or in PostgreSQL (sqlite.org/lang_keywords.html; PostgreSQL 17, appendix C)."""

_OURS = frozenset(
    """
    armature modules platform tests contracts none system request commit total totals limit text whole moment
    context contract event failure kind page command query fold projection work module needs struct meta protocol annotated
    """.split()  # noqa: SIM905  (read as a list of words)
)
"""The platform's codes and tables begin with some of these; the others are classes in every module: one called `event` would
hide the `Event` it is made with."""

_IRREGULAR = {"person": "people", "child": "children", "man": "men", "woman": "women", "foot": "feet", "mouse": "mice"}
_SINGULAR_ENDINGS = ("ss", "us", "is", "news", "series", "species")


class Refused(Exception):
    """Something cannot be made; the message says what, and what to do instead."""


class Names(Struct, frozen=True):
    """What everything in a module is called: `line_item`, `line_items`."""

    item: str
    items: str

    @property
    def table(self) -> str:
        """The table of the things; it begins with the module's name."""
        return f"{self.item}_{self.items}"

    @property
    def path(self) -> str:
        """The things in an address."""
        return self.items.replace("_", "-")


def module_names(name: str, plural: str | None) -> Names:
    """Return the names of a module that is called after one of its things."""
    _check(name, "module")
    singular = None if plural else _singular(name)
    if singular is not None:
        raise Refused(
            f"'{name}' names many; a module is called after one of its things: armature new module {singular}, "
            f"or, if it is one: armature new module {name} --plural WORD"
        )
    items = plural or plural_of(name)
    _check(items, "plural")
    if items == name:
        raise Refused(f"one and many are both called '{name}'; say how many are called: --plural {name}_list")
    return Names(name, items)


def project_name(name: str) -> str:
    """Return the name, or refuse it."""
    if not _PROJECT.fullmatch(name):
        raise Refused(f"'{name}' is no name of a project; use small letters, digits and -, and begin with a letter")
    return name


def plural_of(word: str) -> str:
    """Return the plural of an English word in snake case, by the last word of it."""
    head, underscore, last = word.rpartition("_")
    return head + underscore + _plural(last)


def _check(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refused(f"'{name}' is no name of a {what}; use small letters, digits and _, and begin with a letter: {_near(name)}")
    if len(name) < 2:
        raise Refused(f"'{name}' is too short to say what it is; use at least two letters")
    if len(name) > _NAME_MAX:
        raise Refused(f"'{name}' has {len(name)} letters; much is named after it, so at most {_NAME_MAX}")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise Refused(f"'{name}' is a word of Python; choose another name, as {name}_entry")
    if name in _OURS:
        raise Refused(f"'{name}' is a word of Armature's own; choose another name, as {name}_entry")


def _near(name: str) -> str:
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_0123456789") or "note"


def _singular(name: str) -> str | None:
    """Return one of what a plural names; None when the word names one."""
    head, underscore, last = name.rpartition("_")
    for one, many in _IRREGULAR.items():
        if last == many:
            return head + underscore + one
    if not last.endswith("s") or last.endswith(_SINGULAR_ENDINGS) or len(last) < 4:
        return None
    candidates = (last[:-3] + "y" if last.endswith("ies") else "", last[:-2] if last.endswith("es") else "", last[:-1])
    found = next((one for one in candidates if one and _plural(one) == last), None)
    return None if found is None else head + underscore + found


def _plural(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    return word + "s"
