"""The programs of the guide are programs: the Python one runs, the TypeScript one compiles."""

import json
import re
import sys
from pathlib import Path

import pytest

from armature.clients.output import write
from armature.testing.server import RunningServer
from modules.counter.contract import Counters
from tests.clients.make import ROOT, compiler, python_client, run, typescript_client

pytestmark = pytest.mark.slow

GUIDE = (ROOT / "docs" / "guides" / "clients.md").read_text()


def _program(language: str) -> str:
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    return str(text)


def test_the_python_program_is_typed_and_runs_twice(tmp_path: Path) -> None:
    write(python_client([Counters], "acme_client"), tmp_path)
    (tmp_path / "program.py").write_text(_program("python"))
    words = ["--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "cache"), "program.py"]
    assert run([sys.executable, "-m", "mypy", *words], tmp_path, MYPYPATH=str(tmp_path / "src")) == (0, "")
    with RunningServer(ROOT) as server:
        first = run([sys.executable, "program.py"], tmp_path, PYTHONPATH=str(tmp_path / "src"), ACME_URL=server.url)
        again = run([sys.executable, "program.py"], tmp_path, PYTHONPATH=str(tmp_path / "src"), ACME_URL=server.url)
    assert (first, again) == ((0, "0 0\n"), (0, "0 0\n"))


def test_the_typescript_program_compiles(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    cache = request.config.cache
    assert cache is not None
    tsc = compiler(Path(cache.mkdir("typescript")))
    package = tmp_path / "node_modules" / "acme-client"
    write(typescript_client([Counters], "acme-client"), package)
    assert run(["node", tsc, "-p", "."], package) == (0, "")
    options = {"target": "ES2022", "module": "NodeNext", "strict": True, "noEmit": True, "types": []}
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["program.ts"]}))
    (tmp_path / "program.ts").write_text(_program("ts"))
    assert run(["node", tsc, "-p", "."], tmp_path) == (0, "")
