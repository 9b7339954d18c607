"""The README quotes only what may be quoted."""

from pathlib import Path

import msgspec
import pytest

from bench.duel import Effort
from bench.readme import NOTHING, figures, filled
from bench.report import Machine, Report
from bench.result import Claim, Result, Series, judge
from tests.docs.pages import ROOT


def measured(folder: Path, row: str, *, rounds: int = 5, void: list[str] | None = None) -> None:
    """Write a result as `python -m bench` does."""
    result = Result(row, f"{row} one", "req/s", [Series("ours", [900.0] * rounds)], [Claim("x peer", 20, 9.4)], void or [])
    machine = Machine(2, "3.11.7", "Linux", "3.54.1", "3.40.1", 128.4, {})
    (folder / f"{row}.json").write_bytes(
        msgspec.json.encode(Report("2026-01-02T03:04:05Z", Effort(rounds=rounds), machine, result))
    )


def test_a_missed_promise_is_shown_as_missed(tmp_path: Path) -> None:
    measured(tmp_path, "read")
    assert "| read one | 900 req/s | – | – | 9.4 x peer (at least 20) **(missed)** |" in figures(tmp_path)


def test_the_series_that_was_promised_is_the_one_that_is_shown(tmp_path: Path) -> None:
    result = Result(
        "split", "split", "req/s", [Series("ours", [900.0]), Series("ours, front", [1_000.0]), Series("limit", [2_000.0])]
    )
    judge(result, of_limit=0.5, name="ours, front")
    machine = Machine(2, "3.11.7", "Linux", "3.54.1", "3.40.1", 128.4, {})
    report = Report("2026-01-02T03:04:05Z", Effort(rounds=5), machine, result)
    (tmp_path / "split.json").write_bytes(msgspec.json.encode(report))
    assert "| split | 1,000 req/s | – | 2,000 req/s | 0.5 of the limit (at least 0.5) |" in figures(tmp_path)


def test_void_and_short_rows_are_named_and_not_quoted(tmp_path: Path) -> None:
    measured(tmp_path, "post", void=["the machine was not quiet"])
    measured(tmp_path, "hot", rounds=2)
    assert figures(tmp_path) == NOTHING
    measured(tmp_path, "read")
    assert "hot one" not in figures(tmp_path) and "too short: hot, post." in figures(tmp_path)


def test_the_readme_has_the_place_and_filling_it_again_changes_nothing() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    once = filled(page, "a\nb")
    assert once != page and filled(once, "a\nb") == once
    with pytest.raises(ValueError, match="figures"):
        filled("nothing", "a")
