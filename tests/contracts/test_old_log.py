"""A log that an older release wrote, in the table and in the archive, is read by the newer one: folded, reacted to, followed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.arch.house import House
from tests.contracts.releases import ITEMS, first_release, second_release
from tests.contracts.tools import ROOT

_SECONDS_MAX = 180


def run(what: str, house: House, data: Path) -> dict[str, Any]:
    words = [sys.executable, "-m", "tests.contracts.releases", what, str(house.root), str(data)]
    done = subprocess.run(words, cwd=ROOT, text=True, capture_output=True, timeout=_SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stderr[-4_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.mark.slow
def test_the_second_release_reads_what_the_first_one_wrote(house: House, data: Path) -> None:
    first_release(house)
    written = run("write", house, data)
    assert written["segments"] == 2, "some of it is in the archive"
    assert [sorted(one) for one in written["events"]] == [["item_id", "left"]] * ITEMS
    assert written["counts"] == [1, 2, 3, 4, 5]
    second_release(house)
    read = run("read", house, data)
    assert read["schemas"] == [1] * ITEMS, "the log itself stays as it was written"
    assert [one["pieces"] for one in read["heard"]] == [12, 24, 36, 48, 60]
    assert read["parked"] == []
    assert read["notes"] == [12, 12, 24, 36, 48, 60]
    assert read["counts"] == [12, 12, 24, 36, 48, 60]


@pytest.mark.slow
def test_without_an_upcast_nothing_is_guessed(house: House, data: Path) -> None:
    first_release(house)
    run("write", house, data)
    second_release(house, upcast=False)
    read = run("read", house, data)
    assert len(read["parked"]) == ITEMS and read["notes"] == []
    for told in (*read["parked"], *read["heard"]):
        assert "@upcast(Counted, from_schema=1)" in told
