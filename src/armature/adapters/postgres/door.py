"""The door to PostgreSQL: opened only when a topology's database is one.

The driver is an extra and not part of the base install, so nothing else imports the adapter's modules by name.
"""

from importlib import import_module
from types import ModuleType

__all__ = ["PostgresMissing", "postgres"]

_CURE = "install it with pip install 'armature[postgres]'"


class PostgresMissing(Exception):
    """The driver of PostgreSQL is not installed."""


def postgres(part: str) -> ModuleType:
    """Return a module of the adapter: `database`, `settings`, `migrator`, `grants` …; without the driver refuse with the cure."""
    try:
        return import_module(f"armature.adapters.postgres.{part}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("asyncpg"):
            raise
        raise PostgresMissing(f"the database is a PostgreSQL, but its driver asyncpg is not there; {_CURE}") from error
