"""What pages name exists: commands and their options, settings, imports, laws; and every setting, metric and header is named."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from armature.runtime.overrides import SETTABLE
from armature.runtime.shape import leaves
from armature.runtime.topology import Topology
from tests.docs.commands import all_commands
from tests.docs.metrics import families
from tests.docs.pages import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "bench" / "README.md"])

SECTIONS = "|".join(sorted({key.split(".")[0] for key in SETTABLE if "." in key}))


def told(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^[ ]*```python\n(.*?)^[ ]*```", told(page), re.MULTILINE | re.DOTALL)


def imported(block: str) -> Iterator[tuple[str, str]]:
    """Return (module, name) of every import of ours."""
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("armature", "modules"):
            yield from ((node.module or "", one.name) for one in node.names)


def commands_named(page: Path) -> Iterator[str]:
    """Return what stands behind `armature` in code: until the line or the quoted code ends."""
    text = told(page)
    quoted = re.findall(r"`(?:\.venv/bin/)?armature ([a-z][^`\n]*)`", text)
    typed = re.findall(r"^(?:\$ | {4})?(?:\S+=\S+ )*(?:\.venv/bin/)?armature ([a-z][^\n]*)$", text, re.MULTILINE)
    yield from (re.split(r"[#>|&]| {2}", one)[0].strip() for one in (*quoted, *typed))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_only_commands_and_options_that_exist(page: Path) -> None:
    known, wrong = all_commands(), []
    for said in commands_named(page):
        words = said.split()
        command = known.get(" ".join(words[:2])) or known.get(words[0])
        groups = {path.split()[0] for path in known}
        if command is None and words[0] not in groups:
            wrong.append(said)
        options = {name for one in (command.params if command else []) if isinstance(one, click.Option) for name in one.opts}
        wrong += [f"{said}: {word}" for word in words if word.startswith("--") and word.split("=")[0] not in options]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_names_only_settings_that_exist(page: Path) -> None:
    named = re.findall(rf"`((?:{SECTIONS})\.[a-z_]+)`", told(page))
    assert [one for one in named if one not in SETTABLE and not (ROOT / one).exists() and not one.endswith(".py")] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_on_a_page_can_be_read_and_what_it_imports_is_there(page: Path) -> None:
    for block in python_blocks(page):
        found = re.sub(r"^ {3}", "", block, flags=re.MULTILINE) if block.startswith("   ") else block
        for module, name in imported(found):
            if (ROOT / module.replace(".", "/").replace("armature", "src/armature", 1)).exists() or module.startswith("armature"):
                assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"


def test_every_setting_has_a_heading() -> None:
    page = told(ROOT / "docs/reference/settings.md")
    keys = [*SETTABLE, *(leaf.key for leaf in leaves(Topology))]
    assert [
        key for key in keys if not re.search(rf"^#+ {re.escape(key)}$", page, re.MULTILINE) and not key.startswith("secrets.")
    ] == []


def test_every_metric_a_process_shows_has_a_heading() -> None:
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py"))
    declared = set(re.findall(r'"(armature_[a-z_]+_total|http_[a-z_]+_(?:total|seconds))"', sources))
    assert declared - {family.name for family in families()} == set()


def test_every_decision_has_a_number_of_its_own() -> None:
    names = [file.name for file in sorted((ROOT / "docs/decisions").glob("*.md")) if file.name != "README.md"]
    assert [name[:5] for name in names] == [f"{number:04}-" for number in range(1, len(names) + 1)]


def test_every_law_that_a_comment_refers_to_is_on_the_page() -> None:
    sources = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "src").rglob("*.py"))
    numbers = {int(number) for number in re.findall(r"\blaws (\d+)\b", sources)}
    page = told(ROOT / "docs/reference/laws.md")
    assert numbers and [number for number in sorted(numbers) if f"\n## {number}. " not in page] == []


def test_every_header_that_scripts_may_use_is_explained() -> None:
    source = told(ROOT / "src/armature/edges/http/answering.py")
    named = re.findall(r'^_(?:EXPOSED|ALLOWED\w*) = .*?b"([^"]+)"', source, re.MULTILINE)
    headers = {one.strip() for line in named for one in line.split(",") if one.strip()} - {"Content-Type"}
    page = told(ROOT / "docs/reference/http.md")
    assert len(headers) > 8 and [one for one in sorted(headers) if f"`{one}`" not in page] == []
