"""structlog without the drawing of traces in colours: for that it imports rich and pygments where they are installed, a quarter
of a process's start, and our chains hand it traces that are text already."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["structlog"]


@contextmanager
def _without_rich() -> Iterator[None]:
    """Let `import rich` fail for a moment, unless somebody has paid for it already."""
    if "rich" in sys.modules:
        yield
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["rich"]


with _without_rich():
    import structlog
