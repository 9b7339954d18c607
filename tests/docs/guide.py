"""Reads a guide as a project: a block whose first line is the name of a file is that file.

`# modules/price/contract.py`, `-- modules/price/migrations/0001_create_prices.sql`; a guide that goes on with another one's
example names that guide among `PAGES_OF`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["PAGES_OF", "files_of", "write_project"]

GUIDES = Path(__file__).parents[2] / "docs" / "guides"

PAGES_OF: Mapping[str, tuple[str, ...]] = {
    "reactions": ("caching", "reactions"),
    "background": ("background",),
}
"""The projects that guides hold, by the last page, and the pages each is made of."""

_BLOCK = re.compile(r"^```(?:python|sql|yaml)\n(?:#|--) ((?:modules|platform)/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of(page: str) -> dict[str, str]:
    """Return the files of a page by path."""
    return dict(_BLOCK.findall((GUIDES / f"{page}.md").read_text(encoding="utf-8")))


def write_project(guide: str, folder: Path) -> list[str]:
    """Write the project of a guide into a new project's folder; return the tests that it brings."""
    files = {path: text for page in PAGES_OF[guide] for path, text in files_of(page).items()}
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if file.suffix == ".py" and file.parent.parent == folder / "modules":
            (file.parent / "__init__.py").touch()
    return [path for path in files if path.rpartition("/")[2].startswith("test_")]
