"""Tests here may be coroutines; each runs in an event loop of its own."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from grpc import aio
from msgspec import Struct

from armature.edges.grpc.schema import proto_file
from armature.edges.grpc.schema_text import pins
from armature.runtime.process import System
from armature.runtime.project import contract_name
from armature.runtime.wire import Given
from armature.testing.client import Client
from armature.testing.clock import Clock
from modules.counter.contract import Counters
from modules.desk.contract import Desk
from modules.quota.contract import Quotas
from tests.grpc_edge.rig import ROOT, address, serving
from tests.grpc_edge.stock import Stock, stock
from tests.model import probe
from tests.model.effects import LEVERS


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


class Asked(Struct):
    """One service, as a stock client has it."""

    stub: Any
    messages: Any


class Site(Struct):
    """The project's process, open on both edges, and a stock client of the one."""

    system: System
    rest: Client
    channel: aio.Channel
    counters: Any
    """The stub that grpc_tools made."""
    messages: Any
    clients: Mapping[str, Asked]
    """By contract."""
    clock: Clock


class Open(Protocol):
    def __call__(self, environment: str = "dev", **policies: str) -> AbstractAsyncContextManager[Site]: ...


class OpenLevers(Protocol):
    def __call__(self, **policies: str) -> AbstractAsyncContextManager["Levers"]: ...


@pytest.fixture(scope="session")
def counter_client(tmp_path_factory: pytest.TempPathFactory) -> Stock:
    """What protoc makes of the counters' `.proto`."""
    committed = ROOT / "contracts" / "counter.v1.proto"
    known = pins(committed.read_text()) if committed.exists() else {}
    return stock(proto_file([Counters], known), tmp_path_factory.mktemp("stock"))


@pytest.fixture(scope="session")
def clients(counter_client: Stock, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[str, Stock]]:
    """By contract: how its service is called, and what protoc makes of its `.proto`."""
    folder = tmp_path_factory.mktemp("stocks")
    found = {"counter": ("Counters", counter_client)}
    for contract in (Quotas, Desk):
        name = contract_name(contract)
        known = pins((ROOT / "contracts" / f"{name}.v1.proto").read_text())
        found[name] = contract.__name__, stock(proto_file([contract], known), folder)
    return found


@pytest.fixture
def site(tmp_path: Path, clients: Mapping[str, tuple[str, Stock]]) -> Open:
    """`async with site(GRPC__CALLS_MAX="2") as found:` — policies by the names of their variables."""

    @asynccontextmanager
    async def opened(environment: str = "dev", **policies: str) -> AsyncIterator[Site]:
        clock = Clock()
        given = Given(now=clock.now, seconds=clock.seconds)
        async with serving(ROOT, tmp_path, policies, given=given, environment=environment) as system:
            rest = Client()
            rest.asgi = system.app
            async with aio.insecure_channel(address(system)) as channel:
                asked = {
                    name: Asked(getattr(made.stubs, f"{service}Stub")(channel), made.messages)
                    for name, (service, made) in clients.items()
                }
                counter = asked["counter"]
                yield Site(system, rest, channel, counter.stub, counter.messages, asked, clock)

    return opened


class Levers(Struct):
    """The small project whose operations a test holds where it wants them."""

    system: System
    channel: aio.Channel
    stub: Any
    messages: Any


@pytest.fixture
def levers(tmp_path: Path) -> OpenLevers:
    """`async with levers(GRPC__CALLS_MAX="2") as found:`"""

    @asynccontextmanager
    async def opened(**policies: str) -> AsyncIterator[Levers]:
        probe.forget()
        async with serving(LEVERS, tmp_path / "data", policies) as system:
            made = stock(proto_file(system.core.hosted.modules[0].contracts), tmp_path)
            async with aio.insecure_channel(address(system)) as channel:
                yield Levers(system, channel, made.stubs.LeversStub(channel), made.messages)

    return opened
