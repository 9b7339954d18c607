"""The committed contract, tried on a running server by somebody else's tool."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.slow


@contextmanager
def running(data: Path, **policies: str) -> Iterator[str]:
    """The real command in a process of its own; yields the address it prints."""
    command = [BIN / "armature", "run", "--port", "0", "--data", data]
    environ = {**os.environ, **{f"ARMATURE_{name}": value for name, value in policies.items()}}
    data.mkdir()
    # A file: a pipe that nobody reads would be full of log lines soon, and then the server would wait for its reader.
    with (data / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        found = None
        for line in process.stdout:
            found = re.search(r"API +(http://\S+)/v1", line) or found
            if line.startswith("Stop with"):
                break
        assert found, (data / "log.txt").read_text()
        yield found[1]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def contract(signed_in: bool) -> dict[str, Any]:
    """The committed document; in development nobody has to sign in."""
    document: dict[str, Any] = json.loads((ROOT / "contracts" / "openapi.json").read_text())
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["security"] = operation["security"] if signed_in else []
    return document


def tried(tmp_path: Path, address: str, document: dict[str, Any], *flags: str) -> subprocess.CompletedProcess[str]:
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document))
    command = [
        *(BIN / "schemathesis", "--config-file", HERE / "contract_run.toml", "run", file, "--url", address + "/"),
        # A feed has no end to wait for; tests/live asks it.
        *("--seed", "1", "--warnings", "off", "--no-color", "--exclude-operation-id", "counter.events", *flags),
    ]
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.edges.contract_checks", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=240)


def test_the_server_keeps_the_contract_whatever_is_sent(tmp_path: Path) -> None:
    with running(tmp_path / "data") as address:
        run = tried(tmp_path, address, contract(signed_in=False), "--max-examples", "15")
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]


def test_nobody_gets_in_without_signing_in(tmp_path: Path) -> None:
    with running(tmp_path / "data", HTTP__DEVELOPMENT_IDENTITY="false") as address:
        run = tried(tmp_path, address, contract(signed_in=True), "--checks", "ignored_auth", "--max-examples", "5")
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]


def test_a_document_that_promises_something_else_is_found_out(tmp_path: Path) -> None:
    document = contract(signed_in=False)
    document["components"]["schemas"]["Counter"]["properties"]["version"] = {"type": "string"}
    with running(tmp_path / "data") as address:
        run = tried(tmp_path, address, document, "--max-examples", "10", "--include-operation-id", "counter.create")
    assert run.returncode == 1
    assert "Response violates schema" in run.stdout
