"""Rule `docs`: a decision tells the whole of itself, and a link leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from armature.checks.finding import Finding
from armature.checks.tree import Tree

__all__ = ["findings"]

_PARTS = {
    "context": "what was the case, with figures",
    "choice": "what was decided",
    "price": "what it costs",
    "revisit when": "what would make it wrong",
}
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)[^)]*\)|!\[[^\]]*\]\(([^)\s]+)[^)]*\)")
_HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def findings(tree: Tree) -> list[Finding]:
    """Return decisions without one of their four parts, and links to files or headings that do not exist."""
    found: list[Finding] = []
    for path in _pages(tree.root):
        text = _FENCE.sub(lambda fence: "\n" * fence.group().count("\n"), path.read_text(encoding="utf-8"))
        file = path.relative_to(tree.root).as_posix()
        if file.startswith("docs/decisions/") and path.name != "README.md":
            found += _decision(file, text)
        found += _links(tree.root, path, file, text)
    return found


def _pages(root: Path) -> list[Path]:
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md")), *sorted((root / "bench").glob("*.md"))]


def _decision(file: str, text: str) -> Iterator[Finding]:
    for part, what in _PARTS.items():
        if not re.search(rf"^(?:#+\s*|\*\*){part}\b", text, re.IGNORECASE | re.MULTILINE):
            yield Finding(
                "docs:decision", file, 0, f"the decision does not tell its {part}", f"write **{part.capitalize()}** and {what}"
            )


def _links(root: Path, path: Path, file: str, text: str) -> Iterator[Finding]:
    for found in _LINK.finditer(text):
        target, _, heading = (found.group(1) or found.group(2)).partition("#")
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        line = text.count("\n", 0, found.start()) + 1
        place = path if not target else (root / target[1:] if target.startswith("/") else path.parent / unquote(target))
        if not place.exists():
            yield Finding("docs:link", file, line, f"there is no {target}", "write the path from this page, or remove the link")
        elif heading and place.suffix == ".md" and heading not in _anchors(place.read_text(encoding="utf-8")):
            yield Finding(
                "docs:link", file, line, f"{place.name} has no heading #{heading}", "write the heading as it stands there"
            )


def _anchors(text: str) -> set[str]:
    """Headings as GitHub links to them: lower case, no signs, spaces become hyphens."""
    return {re.sub(r"[^\w\- ]", "", one.strip().lower()).replace(" ", "-") for one in _HEADING.findall(text)}
