"""A million counters without a million calls: one counter made through the public route is copied inside the data file.

The copy takes every column as it is but `id` and `name`, so it follows the contestant's schema without knowing it. Done
between two starts of the server: nobody else holds the file then.
"""

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from bench.serve import NotThere

__all__ = ["TABLE", "bulk_id", "fill"]

TABLE = "counter_counters"
MAGIC = b"SQLite format 3\x00"


def bulk_id(n: int) -> uuid.UUID:
    """Return the id of the n-th copy: shaped like a UUIDv7, spread like ids made over a long time."""
    digest = int.from_bytes(hashlib.blake2b(n.to_bytes(8, "big"), digest_size=16).digest(), "big")
    digest = digest & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=digest & ~(0x3 << 62) | 0x2 << 62)


def fill(folder: Path, count: int) -> None:
    """Copy the one counter of this data folder `count` times."""
    db = apsw.Connection(str(_file(folder)))
    try:
        columns = [str(row[1]) for row in db.execute(f"pragma table_info({TABLE})")]
        template = db.execute(f"select {', '.join(columns)} from {TABLE} limit 1").fetchone()
        if template is None or not {"id", "name"} <= set(columns):
            raise NotThere(f"{TABLE} has no row to copy, or no id and name: {columns}")
        marks = ", ".join("?" for _ in columns)
        with db:
            db.executemany(f"insert into {TABLE} ({', '.join(columns)}) values ({marks})", _copies(columns, template, count))
        db.execute("pragma wal_checkpoint(truncate)").fetchall()
    finally:
        db.close()


def _copies(columns: list[str], template: tuple[Any, ...], count: int) -> Iterator[list[Any]]:
    at_id, at_name = columns.index("id"), columns.index("name")
    as_text = isinstance(template[at_id], str)
    row = list(template)
    for n in range(count):
        id_ = bulk_id(n)
        row[at_id] = str(id_) if as_text else id_.bytes
        row[at_name] = f"bulk {n}"
        yield row.copy()


def _file(folder: Path) -> Path:
    """Find the data file that holds the counters."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        with path.open("rb") as file:
            if file.read(16) != MAGIC:
                continue
        db = apsw.Connection(str(path))
        try:
            if db.execute("select 1 from sqlite_schema where type = 'table' and name = ?", (TABLE,)).fetchone():
                return path
        finally:
            db.close()
    raise NotThere(f"no data file with a table {TABLE} in the data folder")
