"""Without the extras a system that binds no port to a broker runs, and one that does is told what to install."""

import subprocess
import sys

import pytest

from armature.adapters.nats.door import nats
from armature.adapters.redis.door import redis

_WITHOUT = """
import sys
sys.modules[{vendor!r}] = None
from armature.adapters.{vendor}.door import {vendor}, {missing}
try:
    {vendor}("bus")
except {missing} as refused:
    print(refused)
"""


@pytest.mark.parametrize(("vendor", "missing"), [("nats", "NatsMissing"), ("redis", "RedisMissing")])
def test_a_missing_client_is_refused_with_its_cure(vendor: str, missing: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT.format(vendor=vendor, missing=missing)], capture_output=True, text=True, check=True
    )
    assert f"pip install 'armature[{vendor}]'" in done.stdout


def test_the_doors_open() -> None:
    assert nats("bus").NatsBus.__name__ == "NatsBus"
    assert redis("bus").RedisBus.__name__ == "RedisBus"
