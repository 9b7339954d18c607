"""Which migrations exist, which are applied, and whether the two fit together.

Modules own their migrations: `migrations/0001_create_counters.sql`, forward only. The framework's come first, then the
modules' in the order of the module graph. A file that was applied is history: it may not change, vanish from the middle or
be overtaken. Applied numbers above a module's last file are left alone: they belong to the next release, beside which this
one must still be able to start.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from msgspec import Struct

from armature.ports.migrator import Applied, Migration, Migrator, SchemaRefused, Trouble

__all__ = ["FRAMEWORK", "Standing", "found", "migrate", "pending", "status"]

FRAMEWORK = "armature"
_SCHEMA = Path(__file__).parent / "schema"
_NAME = re.compile(r"(?P<number>\d{4})_(?P<name>[a-z0-9_]+)(?:\.(?P<dialect>sqlite|postgres))?\.(?P<kind>sql|py)")
_NO_TRANSACTION = re.compile(r"^\s*(?:--|#)\s*no transaction\b", re.MULTILINE)
_PATTERN = "0001_create_things.sql, .sqlite.sql, .postgres.sql or .py"

State = Literal["applied", "pending", "changed", "missing", "newer"]


class Standing(Struct, frozen=True):
    """Where one migration stands. `newer`: applied by a later release; `missing`: applied, but its file is gone."""

    module: str
    number: int
    name: str
    state: State
    applied_at: datetime | None = None


def found(modules: Sequence[tuple[str, Path]], dialect: str) -> list[Migration]:
    """Return all migrations in the order in which they are applied; `modules` are (name, folder), in graph order."""
    sources = [(FRAMEWORK, _SCHEMA), *((name, folder / "migrations") for name, folder in modules)]
    troubles: list[Trouble] = []
    migrations = [migration for name, folder in sources for migration in _folder(name, folder, dialect, troubles)]
    if troubles:
        raise SchemaRefused(*troubles)
    return migrations


def _folder(module: str, folder: Path, dialect: str, troubles: list[Trouble]) -> list[Migration]:
    if not folder.is_dir():
        return []
    chosen: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__")):
            continue
        parts = _NAME.fullmatch(path.name)
        if parts is None:
            troubles.append(Trouble(str(path), 0, "this is not the name of a migration", f"call it {_PATTERN}"))
        elif parts["dialect"] in (None, dialect):
            _choose(chosen, int(parts["number"]), path, troubles)
    troubles.extend(_gaps(folder, sorted(chosen), dialect))
    texts = {number: _text(chosen[number], troubles) for number in sorted(chosen)}
    return [_migration(module, number, chosen[number], text) for number, text in texts.items()]


def _text(path: Path, troubles: list[Trouble]) -> str:
    """Read a file with plain line ends: a checkout on another system is the same migration."""
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        troubles.append(Trouble(str(path), 0, f"byte {error.start} is not UTF-8", "save the file as UTF-8"))
    except OSError as error:
        troubles.append(Trouble(str(path), 0, f"it cannot be read ({error.strerror})", "make it a file this user may read"))
    return ""


def _choose(chosen: dict[int, Path], number: int, path: Path, troubles: list[Trouble]) -> None:
    """Take a file for its number; a twin in the dialect's own words wins over the portable file of the same name."""
    before = chosen.setdefault(number, path)
    if before is path:
        return
    stems = {before.name.split(".")[0], path.name.split(".")[0]}
    if len(stems) > 1 or {before.suffix, path.suffix} != {".sql"}:
        cure = f"give one of them the next free number; {before.name} has it"
        troubles.append(Trouble(str(path), 0, f"the number {number:04} is taken twice", cure))
    elif len(path.suffixes) > len(before.suffixes):
        chosen[number] = path


def _gaps(folder: Path, numbers: list[int], dialect: str) -> Iterator[Trouble]:
    for expected, number in enumerate(numbers, start=1):
        if number != expected:
            text = f"there is no migration {expected:04} for {dialect}, but a {number:04}"
            yield Trouble(str(folder), 0, text, "number them 0001, 0002, … without a gap; restore the file if it was deleted")
            return


def _migration(module: str, number: int, path: Path, text: str) -> Migration:
    return Migration(
        module=module,
        number=number,
        name=path.name.split(".")[0].partition("_")[2],
        file=str(path),
        checksum=hashlib.sha256(text.encode()).hexdigest(),
        text=text,
        python=path.suffix == ".py",
        raw=len(path.suffixes) > 1,
        transaction=_NO_TRANSACTION.search(text) is None,
    )


def pending(migrations: Sequence[Migration], applied: Sequence[Applied]) -> list[Migration]:
    """Return what is left to do, in order; refuse where files and database tell two stories."""
    done = {(row.module, row.number): row for row in applied}
    last = {row.module: row.number for row in sorted(applied, key=lambda row: row.number)}
    troubles = list(_missing(migrations, applied))
    left = []
    for migration in migrations:
        row = done.get((migration.module, migration.number))
        if row is None:
            left.append(migration)
            if migration.number < last.get(migration.module, 0):
                text = f"it was never applied, but {last[migration.module]:04} was"
                troubles.append(Trouble(migration.file, 0, text, "give it the next free number"))
        elif row.checksum != migration.checksum or row.name != migration.name:
            troubles.append(_changed(migration, row))
    if troubles:
        raise SchemaRefused(*troubles)
    return left


def _changed(migration: Migration, row: Applied) -> Trouble:
    text = f"it was changed after it was applied (on {row.applied_at:%Y-%m-%d %H:%M} UTC as {row.number:04}_{row.name})"
    return Trouble(migration.file, 0, text, "restore the file, and write the change as a new migration")


def _missing(migrations: Sequence[Migration], applied: Sequence[Applied]) -> Iterator[Trouble]:
    for row in _vanished(migrations, applied):
        text = f"migration {row.number:04}_{row.name} was applied, but its file is gone"
        yield Trouble(f"{row.module}/migrations", 0, text, "restore the file; migrations only go forward")


def _vanished(migrations: Sequence[Migration], applied: Sequence[Applied]) -> list[Applied]:
    files = {(migration.module, migration.number) for migration in migrations}
    last = {migration.module: migration.number for migration in migrations}
    return [row for row in applied if row.number < last.get(row.module, 0) and (row.module, row.number) not in files]


def status(migrations: Sequence[Migration], applied: Sequence[Applied]) -> list[Standing]:
    """Return where every migration stands, those of later releases included; never refuses."""
    done = {(row.module, row.number): row for row in applied}
    gone = {(row.module, row.number) for row in _vanished(migrations, applied)}
    standings = [_standing(migration, done.pop((migration.module, migration.number), None)) for migration in migrations]
    modules = {migration.module for migration in migrations}
    others = [
        Standing(row.module, row.number, row.name, "missing" if key in gone else "newer", row.applied_at)
        for key, row in done.items()
        if row.module in modules
    ]
    return standings + others


def _standing(migration: Migration, row: Applied | None) -> Standing:
    if row is None:
        return Standing(migration.module, migration.number, migration.name, "pending")
    same = row.checksum == migration.checksum and row.name == migration.name
    return Standing(migration.module, migration.number, migration.name, "applied" if same else "changed", row.applied_at)


def migrate(migrator: Migrator, modules: Sequence[tuple[str, Path]]) -> list[Migration]:
    """Bring the database to where the files say; return what this call applied. Raises SchemaRefused."""
    migrations = found(modules, migrator.dialect)
    return migrator.migrate(lambda applied: pending(migrations, applied))
