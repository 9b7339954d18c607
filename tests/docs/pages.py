"""Reference pages made from the code, so that they cannot tell another story. `python -m tests.docs.pages` writes them."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.docs.commands import commands_page
from tests.docs.decisions import decisions_page
from tests.docs.failures import failures_page
from tests.docs.metrics import metrics_page
from tests.docs.ports import ports_page
from tests.docs.settings import settings_page
from tests.docs.support import adapters_page
from tests.invariants.table import invariants_page

__all__ = ["PAGES", "ROOT"]

ROOT = Path(__file__).parents[2]

PAGES: Mapping[str, Callable[[], str]] = {
    "docs/decisions/README.md": decisions_page,
    "docs/reference/adapters.md": adapters_page,
    "docs/reference/commands.md": commands_page,
    "docs/reference/failures.md": failures_page,
    "docs/reference/invariants.md": invariants_page,
    "docs/reference/metrics.md": metrics_page,
    "docs/reference/ports.md": ports_page,
    "docs/reference/settings.md": settings_page,
}


def main() -> None:
    """Write every page that differs."""
    for name, page in PAGES.items():
        file, text = ROOT / name, page()
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {name}\n")


if __name__ == "__main__":
    main()
