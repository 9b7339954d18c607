"""One server, one package of each language, and the same module without a wire, for all tests here."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from armature.clients.output import write
from armature.engine.call import Identity
from armature.runtime.process import System
from armature.runtime.project import load_project
from armature.testing.server import RunningServer
from tests.clients.make import ROOT, compiler, imported, python_client, run, typescript_client
from tests.grpc_edge.rig import serving

EVERYTHING = Path(__file__).parent / "everything"

CALLS = """
import { readFileSync } from "node:fs";
import { Client } from "./node_modules/mirror-client/dist/index.js";
const [, , url, file] = process.argv;
const client = new Client(url, { attemptsMax: 1 });
const told = [];
const shared = ["problem", "requestId", "retryAfterSeconds", "name"];
for (const [name, args, call] of JSON.parse(readFileSync(file, "utf8"))) {
  try {
    told.push(["ok", (await client.mirror[name](args, call)) ?? null]);
  } catch (error) {
    const own = Object.fromEntries(Object.entries(error).filter(([key]) => !shared.includes(key)));
    told.push([error.constructor.name, error.message, own]);
  }
}
console.log(JSON.stringify(told));
"""


@pytest.fixture(scope="session")
def mirror() -> type:
    """The contract."""
    return next(one for module in load_project(EVERYTHING).modules for one in module.contracts)


@pytest.fixture(scope="session")
def package(mirror: type, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """Its Python client."""
    return imported(python_client([mirror], "mirror_client"), tmp_path_factory.mktemp("mirror"), "mirror_client")


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    """A real server."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with RunningServer(EVERYTHING, environ={"PYTHONPATH": path}) as running:
        yield running


class Inside:
    """Calls as a neighbour in the same process makes them."""

    def __init__(self, system: System, runner: asyncio.Runner) -> None:
        self._system = system
        self._runner = runner

    def __call__(self, name: str, **arguments: Any) -> Any:
        pipeline = self._system.core.pipeline(f"mirror.{name}")
        call = pipeline.new_call("inside", Identity("developer", frozenset({"*"})), "inside")
        return self._runner.run(pipeline.run(call, pipeline.arguments.from_values(arguments), "inside", ())).result


@pytest.fixture(scope="session")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    """The same module without a wire."""
    with asyncio.Runner() as runner:
        opened = serving(EVERYTHING, tmp_path_factory.mktemp("inside"), {})
        yield Inside(runner.run(opened.__aenter__()), runner)
        runner.run(opened.__aexit__(None, None, None))


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest, mirror: type, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the compiled TypeScript client."""
    folder = tmp_path_factory.mktemp("node")
    write(typescript_client([mirror], "mirror-client"), folder / "node_modules" / "mirror-client")
    tsc = compiler(Path(request.config.cache.mkdir("typescript")))  # type: ignore[union-attr]
    assert run(["node", tsc, "-p", "."], folder / "node_modules" / "mirror-client") == (0, "")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "calls.js").write_text(CALLS)
    return folder
