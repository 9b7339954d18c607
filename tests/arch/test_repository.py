"""This repository keeps its own rules."""

import re
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


def found_in_code() -> set[str]:
    """Every finding that the rules can make, as the code names it."""
    sources = (ROOT / "src/armature/checks").glob("*.py")
    named = {name for source in sources for name in re.findall(r'"([a-z]+:[a-z]+)"', source.read_text(encoding="utf-8"))}
    return {name for name in named if name.partition(":")[0] in RULES}


def test_every_rule_and_every_finding_is_explained_on_its_page() -> None:
    page = (ROOT / "docs/reference/checks.md").read_text(encoding="utf-8")
    assert [name for name in RULES if f"## `{name}`\n" not in page] == []
    assert [name for name in sorted(found_in_code()) if f"`{name}`" not in page] == []


def test_every_finding_is_proven_by_a_line_that_makes_it() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("*.py"))
    assert [name for name in sorted(found_in_code()) if f'"{name}"' not in tests] == []
