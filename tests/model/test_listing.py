"""Rows are listed whole, whatever is in them and however little room there is."""

import io

import pytest
from rich.console import Console

from armature.cli.listing import show_rows

ROW = ("relay:broker", "acme", "sku/[red]tea[/red] [/nothing]", "[Errno 111] refused")


@pytest.mark.parametrize("width", [200, 80, 20])
def test_nothing_is_cut_off_and_nothing_is_markup(width: int) -> None:
    show_rows(console := Console(file=io.StringIO(), width=width), ("by", "tenant", "stream", "reason"), [ROW, ROW])
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert [shown.count(word) for word in ROW] == [2, 2, 2, 2]
