"""`make sql`: asks a PostgreSQL of its own about every statement, and writes what it said to contracts/sql.json."""

import sys
from pathlib import Path

from armature.checks.rules import ask_postgres
from armature.testing.servers import LocalPostgres

if __name__ == "__main__":
    with LocalPostgres() as server:
        found = ask_postgres(Path(__file__).parents[2], server.url())
    for one in found:
        print(one)
    sys.exit(bool(found))
