"""Says which test failed when it fails: a run that is ended before its end has told."""

import pytest


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Name the test on a line of its own; with several processes, where they are brought together."""
    if report.failed:
        print(f"\n{report.nodeid} failed in its {report.when} after {report.duration:.1f} s", flush=True)
