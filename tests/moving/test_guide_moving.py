"""The guides' commands for moving up, saving and restoring are commands: each line is understood by the command it names."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

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


@pytest.mark.parametrize(
    "words",
    [("promote", "--to", "fleet"), ("migrate", "--topology", "fleet"), ("backup", "saved", "--topology", "fleet")],
    ids=["promote", "migrate", "backup"],
)
def test_a_command_that_has_to_do_with_the_database_alone_asks_for_no_other_address(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NATS", "REDIS"):
        monkeypatch.delenv(f"ARMATURE_{name}_URL", raising=False)
    monkeypatch.setenv("ARMATURE_POSTGRES_URL", "postgresql://shop@127.0.0.1:1/shop")
    assert CliRunner().invoke(main, ["migrate", "--data", str(tmp_path)]).exit_code == 0
    named = [str(tmp_path / word) if word == "saved" else word for word in words]
    said = CliRunner().invoke(main, [*named, "--data", str(tmp_path)])
    assert said.exit_code != 0
    assert "_URL is not set" not in said.stderr
    assert "start the server, or correct host" in said.stderr, "nobody is at the address of the database"
