"""Migrations that are Python files: what every engine does with them, and what is said when one fails."""

import traceback

from armature.ports.migrator import Migration, SchemaRefused, Trouble

__all__ = ["NOTHING_KEPT", "run_python"]

NOTHING_KEPT = "nothing of it was kept: repair the cause and start again"


def run_python(migration: Migration, data: object) -> None:
    """Call the file's `migrate(db)` with `data`; raise `SchemaRefused` with file, line and cure for whatever goes wrong."""
    names: dict[str, object] = {"__name__": migration.name, "__file__": migration.file}
    try:
        exec(compile(migration.text, migration.file, "exec"), names)
        migrate = names.get("migrate")
        if not callable(migrate):
            cure = "define `def migrate(db):` with db.rows(sql, params) and db.run(sql, params)"
            raise SchemaRefused(Trouble(migration.file, 1, "there is no function migrate(db)", cure))
        migrate(data)
    except SchemaRefused:
        raise
    except Exception as error:
        raise SchemaRefused(_trouble(migration.file, error)) from error


def _trouble(file: str, error: Exception) -> Trouble:
    if isinstance(error, SyntaxError):
        return Trouble(file, error.lineno or 1, f"SyntaxError: {error.msg}", NOTHING_KEPT)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    line = lines[-1] if lines else 0
    return Trouble(file, line or 0, f"{type(error).__name__}: {error}", NOTHING_KEPT)
