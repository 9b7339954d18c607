"""The laws of a migrator, as tests that any adapter must pass: one class to inherit, two methods and a recipe to give.

Other processes take part, because the laws are about them: they run `recipe`, are killed at crash points and start ten at
a time.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

from armature.engine.migrations import FRAMEWORK, found, migrate
from armature.ports.migrator import Migration, Migrator, SchemaRefused

__all__ = ["MigratorLaws"]

_PROCESS = """
import sys
from pathlib import Path
from armature.engine.migrations import migrate
{recipe}
folder = Path(sys.argv[1])
migrator = open_migrator(folder)
print("ready", flush=True)
sys.stdin.readline()
print(len(migrate(migrator, [("shop", folder / "shop")])), flush=True)
"""

_THINGS = "create table shop_things (\n    id bigint not null primary key,\n    name text not null\n);\n"
_ROWS = (
    "insert into shop_things (id, name)\n"
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)\n"
    "select i, 'thing ' || i from n;\n"
)
_DATA = """
def migrate(db):
    for (number,) in db.rows("select id from shop_things where id <= ?", (3,)):
        db.run("update shop_things set name = :name where id = :id", {"name": f"first {number}", "id": number})
"""


class MigratorLaws:
    """Inherit, and say how a migrator for a folder is made."""

    recipe: ClassVar[str]
    """Python source that defines `open_migrator(folder: Path) -> Migrator`, for other processes."""

    def migrator(self, folder: Path) -> Migrator:
        """Return a migrator; the same folder means the same database."""
        raise NotImplementedError

    def ask(self, folder: Path, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a select on the folder's database."""
        raise NotImplementedError

    def test_all_migrations_are_applied_in_order_and_a_second_call_applies_none(self, tmp_path: Path) -> None:
        _shop(tmp_path, first=_THINGS, second=_ROWS, third=_DATA)
        done = self._migrate(tmp_path)
        assert [(one.module, one.number) for one in done if one.module != FRAMEWORK] == [
            ("shop", 1),
            ("shop", 2),
            ("shop", 3),
        ]
        assert done[0].module == FRAMEWORK
        assert self._migrate(tmp_path) == []
        assert self.ask(tmp_path, "select name from shop_things where id in (3, 4) order by id") == [("first 3",), ("thing 4",)]

    def test_looking_at_a_database_that_does_not_exist_creates_nothing(self, tmp_path: Path) -> None:
        assert self.migrator(tmp_path).applied() == []
        assert list(tmp_path.iterdir()) == []

    def test_ten_processes_that_start_together_apply_each_migration_once(self, tmp_path: Path) -> None:
        # The last one has no transaction to hide in, takes its time, and would show a second run as a second row.
        alone = (
            "-- no transaction\n"
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 200000) select count(*) from n;\n"
            "insert into shop_things (id, name) select max(id) + 1, 'last' from shop_things;\n"
        )
        _shop(tmp_path, first=_THINGS, second=_ROWS, third=alone)
        processes = [self._process(tmp_path) for _ in range(10)]
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.communicate(timeout=120) for process in processes]
        assert [error for _, error in said if error] == []
        assert sum(int(count) for count, _ in said) == len(self.migrator(tmp_path).applied())
        assert self.ask(tmp_path, "select count(*) from shop_things") == [(2001,)]

    def test_a_kill_leaves_a_migration_and_its_row_or_neither(self, tmp_path: Path) -> None:
        _shop(tmp_path, first=_THINGS, second=_ROWS, third=_DATA)
        killed = 0
        passings = self._number_of(tmp_path)
        for point in ("migrate.begun", "migrate.written", "migrate.recorded", "migrate.committed"):
            for passing in range(1, passings + 1):
                folder = tmp_path / f"{point}-{passing}"
                folder.mkdir()
                (folder / "shop").symlink_to(tmp_path / "shop")
                killed += self._killed(folder, f"{point}:{passing}")
                self._whole(folder)
                self._migrate(folder)
                assert self.ask(folder, "select count(*), min(name) from shop_things") == [(2000, "first 1")]
        assert killed == 4 * passings

    def test_a_migration_that_fails_changes_nothing_and_names_its_line(self, tmp_path: Path) -> None:
        _shop(tmp_path, first=_THINGS, second=_ROWS + "\nupdate shop_things\n   set nothing = 1;\n")
        said = self._refused(tmp_path)
        assert "0002_second.sql:6: " in said, said
        assert self.ask(tmp_path, "select count(*) from shop_things") == [(0,)]
        _shop(tmp_path, second=_ROWS)
        assert [one.name for one in self._migrate(tmp_path)] == ["second"]

    def test_a_data_migration_that_fails_changes_nothing_and_names_its_line(self, tmp_path: Path) -> None:
        _shop(tmp_path, first=_THINGS, second=_ROWS, third=_DATA + "    raise ValueError('no such thing')\n")
        said = self._refused(tmp_path)
        assert "0003_third.py:5: ValueError: no such thing" in said, said
        assert self.ask(tmp_path, "select name from shop_things where id = 1") == [("thing 1",)]

    def test_a_migration_cannot_commit_half_of_itself(self, tmp_path: Path) -> None:
        _shop(tmp_path, first=_THINGS, second=_ROWS + "commit;\nselect nothing;\n")
        assert "0002_second.sql:4: 'commit' in a migration" in self._refused(tmp_path)
        assert self.ask(tmp_path, "select count(*) from shop_things") == [(0,)]

    def test_a_migration_without_a_transaction_runs_again_after_a_kill(self, tmp_path: Path) -> None:
        again = "-- no transaction\ninsert into shop_things (id, name) values (1, 'one') on conflict (id) do nothing;\n"
        _shop(tmp_path, first=_THINGS, second=again)
        assert self._killed(tmp_path, f"migrate.written:{self._number_of(tmp_path)}")
        assert [row.number for row in self.migrator(tmp_path).applied() if row.module == "shop"] == [1]
        assert self.ask(tmp_path, "select count(*) from shop_things") == [(1,)]
        assert [one.name for one in self._migrate(tmp_path)] == ["second"]

    def _number_of(self, folder: Path) -> int:
        """How many migrations there are, the framework's own included."""
        return len(found([("shop", folder / "shop")], self.migrator(folder).dialect))

    def _migrate(self, folder: Path) -> list[Migration]:
        return migrate(self.migrator(folder), [("shop", folder / "shop")])

    def _refused(self, folder: Path) -> str:
        try:
            self._migrate(folder)
        except SchemaRefused as refused:
            return str(refused)
        raise AssertionError("the migration was not refused")

    def _whole(self, folder: Path) -> None:
        applied = [row.name for row in self.migrator(folder).applied() if row.module == "shop"]
        if "first" in applied:
            [(rows, first)] = self.ask(folder, "select count(*), min(name) from shop_things")
            assert rows == (2000 if "second" in applied else 0)
            assert (first == "first 1") == ("third" in applied)

    def _process(self, folder: Path, **env: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", _PROCESS.format(recipe=self.recipe), str(folder)]
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env={**os.environ, **env})

    def _killed(self, folder: Path, crash: str) -> bool:
        process = self._process(folder, ARMATURE_CRASH=crash)
        _, error = process.communicate("go\n", timeout=120)
        assert error == "", error
        return process.returncode == -signal.SIGKILL


def _shop(folder: Path, **files: str) -> None:
    migrations = folder / "shop" / "migrations"
    migrations.mkdir(parents=True, exist_ok=True)
    numbers = {"first": 1, "second": 2, "third": 3}
    for name, text in files.items():
        kind = "py" if "def migrate" in text else "sql"
        (migrations / f"{numbers[name]:04}_{name}.{kind}").write_text(text)
