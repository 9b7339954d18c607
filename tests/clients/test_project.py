"""The client of this project's own modules: whatever an operation answers, the client has a type for it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest

from armature.clients.python import attribute, python_package
from armature.clients.reading import read_surface
from armature.clients.shapes import Choice, Listed, Mapped, Plain, Shape, parts_of
from armature.clients.surface import Surface, Use
from armature.runtime.project import load_project
from armature.testing.server import RunningServer
from tests.clients.make import PREFIX, ROOT, imported

pytestmark = pytest.mark.slow

VALUES: dict[str, Any] = {
    "bool": True,
    "int": 1,
    "float": 1.0,
    "str": "text",
    "bytes": b"a",
    "uuid": UUID(int=7),
    "datetime": datetime(2030, 1, 1, tzinfo=UTC),
    "decimal": Decimal("1.50"),
    "null": None,
}


@pytest.fixture(scope="module")
def surface() -> Surface:
    """What this project offers."""
    return read_surface([one for module in load_project(ROOT).modules for one in module.contracts], PREFIX)


@pytest.fixture(scope="module")
def package(surface: Surface, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The client of it."""
    return imported(python_package(surface, "project_client", "1.0.0"), tmp_path_factory.mktemp("project"), "project_client")


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """The project, running."""
    with RunningServer(ROOT) as running:
        yield running


def test_every_operation_of_every_module_is_understood(surface: Surface, package: ModuleType, server: RunningServer) -> None:
    """Each is called with arguments that its types allow; it may be refused, but not by a code that the client does not know."""
    answers: dict[str, str] = {}
    with package.Client(server.url, package.Options(headers={"x-tenant-id": "everything"}, attempts_max=1)) as client:
        for contract in surface.contracts:
            called = attribute(contract)
            for use in contract.uses:
                if use.kind != "feed":
                    answers[use.full_name] = _answer(package, getattr(client, called), use)
    assert set(answers) == {use.full_name for one in surface.contracts for use in one.uses if use.kind != "feed"}
    unknown = {name: answer for name, answer in answers.items() if answer in ("Refused", "Bug", "NoSuchRoute", "Unreadable")}
    assert unknown == {}
    assert answers["counter.create"] == "Counter" and answers["counter.list"] == "Page"


def _answer(package: ModuleType, api: Any, use: Use) -> str:
    arguments = {one.name: _value(one.type) for one in use.arguments if not one.absent}
    try:
        return type(getattr(api, use.name)(**arguments)).__name__
    except package.ApiError as error:
        return type(error).__name__


def _value(shape: Shape) -> Any:
    match parts_of(shape)[0]:
        case Plain(name):
            return VALUES[name]
        case Choice(values):
            return values[0]
        case Listed(item):
            return [_value(item)]
        case Mapped(item):
            return {"a": _value(item)}
    raise AssertionError(f"no value for {shape}; the project's contracts have grown")
