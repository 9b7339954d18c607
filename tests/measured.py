"""A pytest plugin for the measured run: test processes are measured, the servers and commands they start are not.

Coverage begins in every Python process that finds its variable, before anything is imported. A server that is killed never
writes what it saw, and one that is measured is slower than the one it stands for; so the variable ends with the tests' own.
"""

import os

import pytest

VARIABLES = ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")


def pytest_configure(config: pytest.Config) -> None:
    # The controller of parallel workers hands its variables on to them; it runs no test itself.
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        for name in VARIABLES:
            os.environ.pop(name, None)
