"""Rows for people: as a table where it fits, else a block of lines for each. Nothing is cut off, since what is listed is what the
next command is called with, and nothing in it is taken for markup."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["show_rows"]

_FRAME = 3
"""What each column of a table is wider than its longest word."""


def show_rows(console: Console, names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their names."""
    if sum(max(map(len, cells)) + _FRAME for cells in zip(names, *rows, strict=True)) < console.width:
        table = Table(*names)
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
        return
    width = max(map(len, names))
    for row in rows:
        lines = [f"{name:{width}}  {value}" for name, value in zip(names, row, strict=True)]
        console.print("\n".join(lines) + "\n", highlight=False, markup=False, soft_wrap=True)
