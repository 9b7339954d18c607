"""The guides' commands for moving up, saving and restoring are commands: each line is understood by the command it names."""

import re
import shlex

import click
import pytest

from armature.cli.main import main
from tests.moving.world import ROOT

_LINE = re.compile(r"^    armature ((?:promote|backup|restore|run) .*)$", re.MULTILINE)


@pytest.mark.parametrize(("page", "least"), [("moving-up", 3), ("operating", 4)])
def test_each_line_is_understood(page: str, least: int) -> None:
    lines = _LINE.findall((ROOT / f"docs/guides/{page}.md").read_text(encoding="utf-8"))
    assert len(lines) >= least
    for line in lines:
        name, *words = shlex.split(line, comments=True)
        command = main.get_command(click.Context(main), name)
        assert command is not None, line
        command.make_context(name, words)


def test_a_line_with_an_unknown_option_would_be_found() -> None:
    command = main.get_command(click.Context(main), "promote")
    assert command is not None
    with pytest.raises(click.UsageError):
        command.make_context("promote", ["--to", "env:X", "--now"])
