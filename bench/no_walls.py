"""Ours on PostgreSQL without a role for each module and without row level security: what the two walls cost.

No policy takes them down, because nobody should; this does it from outside, for one row of a table. Run as `armature` is:
python bench/no_walls.py run …
"""

from typing import Any

from msgspec import structs

from armature.adapters.postgres.settings import PostgresSettings
from armature.cli.main import main

_walled = PostgresSettings.of


def _without(*arguments: Any, **place: Any) -> PostgresSettings:
    return structs.replace(_walled(*arguments, **place), roles=False, row_security=False)


if __name__ == "__main__":
    PostgresSettings.of = _without  # type: ignore[method-assign]
    main()
