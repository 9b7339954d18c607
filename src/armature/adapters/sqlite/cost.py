"""Whether a statement may run on the event loop, read from SQLite's own query plan.

The rule: on the loop runs what looks at few rows whatever the table's size. That is a select whose plan scans no
table and sorts in no temporary tree, and which either looks up whole unique keys or says `limit`. Scanning a constant
row, a list parameter or a common table expression is no scan of a table. Everything else goes to the reader threads,
and so does for a minute what was short by its plan and long in fact (`reader`).
"""

import re

import apsw

__all__ = ["is_short", "scans"]

_NOISE = re.compile(r"'(?:[^']|'')*'|--[^\n]*")
_NESTED = re.compile(r"\([^()]*\)")
_LIMIT = re.compile(r"\blimit\b", re.IGNORECASE)
_CTE = re.compile(r"(?:\bwith(?:\s+recursive)?|,)\s+([a-z_]\w*)\s*(?:\([^)]*\))?\s+as\b", re.IGNORECASE)
_SEARCH = re.compile(
    r"SEARCH (\S+)(?: USING (?:COVERING )?(?:INDEX (\S+)|(INTEGER PRIMARY KEY)|PRIMARY KEY)(?: \((.*)\))?)?(?: LEFT-JOIN)?$"
)
_NAMED = re.compile(
    r"\b(?:from|join)\s+([a-z_]\w*)(?:\s+(?:as\s+)?(?!(?:where|on|join|left|inner|cross|using|order|group|limit|union|natural|right|full)\b)([a-z_]\w*))?",
    re.IGNORECASE,
)
_HARMLESS = ("CONSTANT ROW", "VIRTUAL TABLE", "(subquery", "(join")


def scans(steps: list[str], text: str) -> bool:
    """Return whether a plan reads some table from end to end."""
    local = {name.lower() for name in _CTE.findall(_NOISE.sub(" ", text))}
    return any(_scanned(step, local) for step in steps if step.startswith("SCAN "))


def is_short(db: apsw.Connection, text: str, steps: list[str]) -> bool:
    """Return whether a select may run on the loop."""
    if scans(steps, text) or any("TEMP B-TREE" in step for step in steps):
        return False
    if _limited(text):
        return True
    # A plan names a table as the statement calls it.
    tables = {(alias or table).lower(): table for table, alias in _NAMED.findall(_NOISE.sub(" ", text))}
    return all(_unique(db, step, tables) for step in steps if step.startswith("SEARCH "))


def _limited(text: str) -> bool:
    """Return whether the statement itself says `limit`; a limit of a subquery bounds nothing."""
    outside = _NOISE.sub(" ", text)
    while (shorter := _NESTED.sub(" ", outside)) != outside:
        outside = shorter
    return bool(_LIMIT.search(outside))


def _scanned(step: str, local: set[str]) -> bool:
    if any(word in step for word in _HARMLESS):
        return False
    return step.split()[1].lower() not in local


def _unique(db: apsw.Connection, step: str, tables: dict[str, str]) -> bool:
    found = _SEARCH.match(step)
    if found is None:
        return False
    name, index, rowid, terms = found.groups()
    if terms is None:  # the first or last entry of an index: min() and max()
        return True
    equal = terms.count("=?")
    if equal != len(terms.split(" AND ")):
        return False
    return bool(rowid) or _key_width(db, tables.get(name.lower(), name), index) == equal


def _key_width(db: apsw.Connection, table: str, index: str | None) -> int | None:
    """Return how many columns make the key unique; None where nothing promises that."""
    if index is None:  # a table without rowid: its primary key is the table
        row = db.execute("select count(*) from pragma_table_info(?) where pk > 0", (table,)).fetchone()
        return row[0] if row else None
    row = db.execute(
        "select count(*) from sqlite_schema s, pragma_index_list(s.tbl_name) l, pragma_index_info(l.name)"
        " where s.type = 'index' and s.name = ?1 and l.name = ?1 and l.\"unique\"",
        (index,),
    ).fetchone()
    return row[0] or None if row else None
