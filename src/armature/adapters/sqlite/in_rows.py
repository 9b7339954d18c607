"""Many inserts of one statement as one: `values (…), (…), …`.

A read model is mostly rows that are added. Sent one by one, each pays for finding the prepared statement, for giving up and
retaking the interpreter's lock and for a look at what it changed, together as much as the insert itself.
"""

import re

__all__ = ["ROWS", "in_rows"]

ROWS = 32
"""Rows of one text. Of 8, 16, 32, 64 and 320 this takes the fewest instructions for a row."""

_LENGTH_MAX = 16_000
"""The driver keeps no longer text prepared."""

# A row of plain values; behind it only what to do with a row that is there, and no value of its own.
_INSERT = re.compile(
    r"(insert\s+into\s+\w+\s*(?:\([^()']*\))?\s*values\s*)(\([^()']*\))((?:\s*on\s+conflict\b[^?]*)?)", re.IGNORECASE
)
_PLACE = re.compile(r"\?(\d+)")


def in_rows(sql: str, width: int) -> str:
    """Return the insert of `ROWS` rows, whose values stand behind each other, `width` of each; empty for another statement.

    Such an insert touches one row or none, so as many changes as rows say that each touched its own.
    """
    found = _INSERT.fullmatch(sql)
    if found is None:
        return ""
    head, row, tail = found.groups()
    text = f"{head}{', '.join(_moved(row, at * width) for at in range(ROWS))}{tail}"
    return text if len(text) <= _LENGTH_MAX else ""


def _moved(row: str, by: int) -> str:
    return _PLACE.sub(lambda place: f"?{int(place[1]) + by}", row)
