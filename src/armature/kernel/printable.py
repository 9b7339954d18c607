"""Texts of a contract as they may stand in a file that is written from it: a docstring may hold what no source file can."""

import re

__all__ = ["printable"]

# What ends a line, and the tab, may stay: whoever writes the text splits it into lines.
_HIDDEN = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f]")


def printable(text: str) -> str:
    r"""Return the text with control characters as one writes them in Python: `\x00`."""
    return _HIDDEN.sub(lambda found: ascii(found[0])[1:-1], text)
