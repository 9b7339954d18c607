"""Killed at any named place of a commit, the file holds every acknowledged unit, whole, and nothing that nobody meant."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from armature.conformance.database_world import run
from armature.engine.crash import CRASH_POINTS

from .sqlite_world import found, sqlite_world

MINE = sorted(name for name in CRASH_POINTS if name.startswith(("commit.", "turn.")))


async def prepare(path: Path) -> None:
    async with sqlite_world(path) as world:
        await world.account("hot")


def crash(path: Path, point: str, prefix: str) -> list[list[str]]:
    """Run the child until it dies at the point; return what it said."""
    command = [sys.executable, "-m", "tests.faults.sqlite_child", "work", str(path), prefix]
    child = subprocess.run(
        command, env=os.environ | {"ARMATURE_CRASH": point}, capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == -signal.SIGKILL, f"{point} was never passed: {child.stderr}"
    return [line.split() for line in child.stdout.splitlines()]


@pytest.mark.parametrize("name", MINE)
def test_a_process_killed_there_loses_nothing_it_acknowledged(tmp_path: Path, name: str) -> None:
    path = tmp_path / "crash.db"
    run(prepare(path))
    said: list[list[str]] = []
    for passing in (1, 4):  # the second start finds what the first left behind
        said += crash(path, f"{name}:{passing}", f"p{passing}")
    has = {words[1] for words in said if words[0] == "has"}
    means = {words[1] for words in said if words[0] == "means"}
    accounts, events = found(path)
    assert has <= accounts - {"hot"} <= means
    hot = value_of_hot(path)
    assert sum(words == ["stepped"] for words in said) <= hot <= len(means)
    assert events == len(accounts - {"hot"}) + hot, "half a unit is there"
    assert keys(path) == accounts - {"hot"}, "a change is there without its key"


def keys(path: Path) -> set[str]:
    db = apsw.Connection(str(path))
    try:
        return {bytes(row[0]).decode() for row in db.execute("select scope from armature_keys")}
    finally:
        db.close()


def value_of_hot(path: Path) -> int:
    db = apsw.Connection(str(path))
    try:
        return int(db.execute("select value from law_accounts where id = 'hot'").get)
    finally:
        db.close()


def test_a_place_that_does_not_exist_is_refused_at_start(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import armature.engine.crash"]
    child = subprocess.run(
        command, env=os.environ | {"ARMATURE_CRASH": "commit.fromed:1"}, capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 1
    assert "commit.formed" in child.stderr
