"""Files and database must tell one story; where they do not, the message names the file and the cure."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from armature.engine.migrations import FRAMEWORK, found, pending, status
from armature.ports.migrator import Applied, Migration, SchemaRefused


def files(folder: Path, *names: str) -> list[tuple[str, Path]]:
    (folder / "shop" / "migrations").mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / "shop" / "migrations" / name).write_text(f"-- {name}\n")
    return [("shop", folder / "shop")]


def of_shop(modules: list[tuple[str, Path]], dialect: str = "sqlite") -> list[Migration]:
    return [one for one in found(modules, dialect) if one.module == "shop"]


def applied(*migrations: Migration) -> list[Applied]:
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    return [Applied(one.module, one.number, one.name, one.checksum, at) for one in migrations]


def refused(modules: list[tuple[str, Path]], done: list[Applied]) -> str:
    with pytest.raises(SchemaRefused) as refusal:
        pending(found(modules, "sqlite"), done)
    return str(refusal.value)


def test_the_frameworks_own_come_first_and_modules_in_the_order_given(tmp_path: Path) -> None:
    (zoo,) = files(tmp_path / "z", "0001_a.sql")
    (shop,) = files(tmp_path / "s", "0001_b.sql", "0002_c.py")
    order = [(one.module, one.name) for one in found([("zoo", zoo[1]), shop], "sqlite") if one.module != FRAMEWORK]
    assert found([], "sqlite")[0].module == FRAMEWORK
    assert order == [("zoo", "a"), ("shop", "b"), ("shop", "c")]


def test_a_module_without_migrations_has_none(tmp_path: Path) -> None:
    assert of_shop([("shop", tmp_path)]) == []


def test_a_twin_is_taken_by_its_own_engine_only(tmp_path: Path) -> None:
    modules = files(tmp_path, "0001_a.sqlite.sql", "0001_a.postgres.sql", "0002_b.postgres.sql", "0002_b.sql")
    files(tmp_path, "0003_c.sql", "0003_c.sqlite.sql")
    chosen = {name: [Path(one.file).name for one in of_shop(modules, name)] for name in ("sqlite", "postgres")}
    assert chosen == {
        "sqlite": ["0001_a.sqlite.sql", "0002_b.sql", "0003_c.sqlite.sql"],
        "postgres": ["0001_a.postgres.sql", "0002_b.postgres.sql", "0003_c.sql"],
    }
    assert [one.raw for one in of_shop(modules)] == [True, False, True]


def test_a_missing_twin_is_a_gap(tmp_path: Path) -> None:
    modules = files(tmp_path, "0001_a.postgres.sql", "0002_b.sql")
    with pytest.raises(SchemaRefused, match="there is no migration 0001 for sqlite, but a 0002"):
        found(modules, "sqlite")


def test_all_troubles_are_told_at_once(tmp_path: Path) -> None:
    modules = files(tmp_path, "0001_a.sql", "0001_other.sql", "0003_c.sql", "2_short.sql", "0001_a.py")
    with pytest.raises(SchemaRefused) as refusal:
        found(modules, "sqlite")
    texts = [trouble.text for trouble in refusal.value.troubles]
    assert sorted(texts) == [
        "the number 0001 is taken twice",
        "the number 0001 is taken twice",
        "there is no migration 0002 for sqlite, but a 0003",
        "this is not the name of a migration",
    ]


def test_an_applied_file_that_changed_is_refused(tmp_path: Path) -> None:
    modules = files(tmp_path, "0001_a.sql")
    done = applied(*found(modules, "sqlite"))
    (tmp_path / "shop/migrations/0001_a.sql").write_text("-- something else\n")
    assert "it was changed after it was applied (on 2026-01-02 03:04 UTC as 0001_a); restore the file" in refused(modules, done)
    states = {(one.module, one.state) for one in status(found(modules, "sqlite"), done)}
    assert states == {(FRAMEWORK, "applied"), ("shop", "changed")}


def test_line_ends_of_another_system_are_no_change(tmp_path: Path) -> None:
    modules = files(tmp_path, "0001_a.sql")
    done = applied(*found(modules, "sqlite"))
    (tmp_path / "shop/migrations/0001_a.sql").write_bytes(b"-- 0001_a.sql\r\n")
    assert pending(found(modules, "sqlite"), done) == []


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    modules = files(tmp_path, "0001_a.sql")
    (tmp_path / "shop/migrations/0001_a.sql").write_bytes(b"-- caf\xe9")
    (tmp_path / "shop/migrations/0002_b.sql").mkdir()
    with pytest.raises(SchemaRefused) as refusal:
        found(modules, "sqlite")
    assert [one.text for one in refusal.value.troubles] == ["byte 6 is not UTF-8", "it cannot be read (Is a directory)"]


def test_a_renamed_file_is_refused(tmp_path: Path) -> None:
    modules = files(tmp_path, "0001_a.sql")
    done = applied(*found(modules, "sqlite"))
    file = tmp_path / "shop/migrations/0001_a.sql"
    file.rename(file.with_name("0001_b.sql"))
    assert "0001_b.sql: it was changed after it was applied" in refused(modules, done)


def test_an_applied_file_that_vanished_from_the_middle_is_refused(tmp_path: Path) -> None:
    modules = files(tmp_path, "0001_a.sql", "0002_b.sql", "0003_c.sql")
    migrations = found(modules, "sqlite")
    left = [one for one in migrations if one.number != 2]
    with pytest.raises(SchemaRefused, match="0002_b was applied, but its file is gone; restore the file"):
        pending(left, applied(*migrations))
    assert {one.number: one.state for one in status(left, applied(*migrations)) if one.module == "shop"} == {
        1: "applied",
        2: "missing",
        3: "applied",
    }


def test_the_previous_release_starts_on_the_next_ones_schema(tmp_path: Path) -> None:
    modules = files(tmp_path, "0001_a.sql", "0002_b.sql")
    next_release = applied(*found(modules, "sqlite"))
    (tmp_path / "shop/migrations/0002_b.sql").unlink()
    assert pending(found(modules, "sqlite"), next_release) == []
    assert status(found(modules, "sqlite"), next_release)[-1].state == "newer"


def test_a_late_number_is_refused(tmp_path: Path) -> None:
    modules = files(tmp_path, "0001_a.sql", "0002_b.sql", "0003_c.sql")
    done = applied(*(one for one in found(modules, "sqlite") if one.number != 2))
    assert "0002_b.sql: it was never applied, but 0003 was; give it the next free number" in refused(modules, done)


def test_a_module_that_is_not_here_today_is_left_alone(tmp_path: Path) -> None:
    modules = files(tmp_path, "0001_a.sql")
    done = applied(*found(modules, "sqlite"))
    assert pending(found([], "sqlite"), done) == []
    assert {one.module for one in status(found([], "sqlite"), done)} == {FRAMEWORK}
