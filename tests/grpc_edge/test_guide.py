"""The tour of the guide, walked word for word: its command makes the client, its code calls a server that runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from armature.testing.server import RunningServer
from tests.grpc_edge.rig import ROOT


@pytest.mark.slow
def test_the_tour_of_the_guide(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "guides" / "grpc.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^python (-m grpc_tools.*)$", page, re.MULTILINE)
    (example,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "contracts").symlink_to(ROOT / "contracts")
    subprocess.run([sys.executable, *command.split()], cwd=tmp_path, check=True, timeout=60)
    (tmp_path / "tour.py").write_text(example + "\n\nimport sys\nprint(tour(sys.argv[1]))\n")
    environ = {"ARMATURE_GRPC__PORT": "0"}
    with RunningServer(ROOT, environ=environ, words=("--topology", "dual")) as server:
        (address,) = re.findall(r"gRPC +(\S+)", server.log)
        words = [sys.executable, "tour.py", address]
        walked = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert walked.stdout.strip() == "2", walked.stderr
