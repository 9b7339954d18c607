"""Makes the blocking twin of asynchronous code, word by word, so that the two cannot differ."""

import re

__all__ = ["blocking", "member_order"]

_WORDS = (
    (r"AsyncGenerator\[(.+), None\]", r"Generator[\1, None, None]"),
    (r"\basync (?=def |with |for )", ""),
    (r"\bawait ", ""),
    (r"\bfrom asyncio import sleep\b", "from time import sleep"),
    (r"\b(_?)Async(?=[A-Z])", r"\1"),
    (r"(?<=\._)(wire|client)_async\b", r"\1"),
    (r"\b(__)?a(close|read|iter_bytes|enter__|exit__)\b", r"\1\2"),
)
_IMPORTS = re.compile(r"(?:^from \S+ import [^(\n]+\n)+", re.MULTILINE)


def blocking(text: str) -> str:
    """Return the code without anything that waits without blocking."""
    for pattern, new in _WORDS:
        text = re.sub(pattern, new, text)
    return _IMPORTS.sub(lambda found: _sorted(found[0]), text)


def member_order(name: str) -> tuple[int, str]:
    """How names stand in an import: constants, classes, the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name)


def _sorted(block: str) -> str:
    """Put imports in order again: names that changed stand elsewhere in the alphabet."""
    lines = []
    for line in block.splitlines():
        head, _, names = line.partition(" import ")
        lines.append(f"{head} import {', '.join(sorted(names.split(', '), key=member_order))}\n")
    return "".join(sorted(lines, key=_module))


def _module(line: str) -> str:
    return line.split()[1].lower()
