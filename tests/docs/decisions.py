"""docs/decisions/README.md: the decisions by number and title."""

from pathlib import Path

__all__ = ["decisions_page"]

_FOLDER = Path(__file__).parents[2] / "docs" / "decisions"

_HEAD = """# Decisions

<!-- Made by `python -m tests.docs.pages`; a test compares it with the folder. -->

Half a page each: context, choice, price, *revisit when*. Rejected ideas count. A decision that was wrong stays, says so, and
names its successor.

"""


def decisions_page() -> str:
    """Return the page."""
    files = [file for file in sorted(_FOLDER.glob("*.md")) if file.name != "README.md"]
    return _HEAD + "".join(f"- {file.name[:4]} [{_title(file)}]({file.name})\n" for file in files)


def _title(file: Path) -> str:
    return file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
