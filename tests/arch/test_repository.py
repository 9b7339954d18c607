"""This repository keeps its own rules."""

from pathlib import Path

import pytest

from armature.checks.excuses import excused
from armature.checks.rules import RULES, check

ROOT = Path(__file__).parents[2]

EXCUSED_MAX = 0
"""The list of excuses only shrinks: lower this when one goes."""


@pytest.fixture(scope="module")
def told() -> list[str]:
    """Everything that is said against this repository, each line with its rule."""
    return [str(one) for one in check(ROOT)]


def test_no_rule_says_anything_against_this_repository(told: list[str]) -> None:
    assert told == []


def test_the_list_of_excuses_does_not_grow() -> None:
    excuses, wrong = excused(ROOT)
    assert wrong == [] and len(excuses) <= EXCUSED_MAX


def test_every_rule_is_explained_on_its_page() -> None:
    page = (ROOT / "docs/reference/checks.md").read_text(encoding="utf-8")
    headings = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert [name for name in RULES if f"`{name}`" not in headings] == []
