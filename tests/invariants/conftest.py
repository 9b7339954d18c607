"""The fleet whose servers may be broken, as in the fault tests."""

from tests.faults.conftest import breakable, fleet

__all__ = ["breakable", "fleet"]
