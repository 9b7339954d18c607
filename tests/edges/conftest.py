"""Tests here may be coroutines; each runs in an event loop of its own. And one small way to open the system."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from armature.edges.http.app import HttpApp
from armature.runtime.model import load
from armature.runtime.process import System, open_system
from armature.runtime.project import load_project

ROOT = Path(__file__).parents[2]
KEY = "0123456789abcdef0123456789abcdef"

Open = Callable[..., AbstractAsyncContextManager["Site"]]


class Site:
    """The project's system, open, and a client of its application."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.client = client_of(system.app)

    async def counter(self, name: str = "a", **headers: str) -> httpx2.Response:
        """Make a counter."""
        return await self.client.post("/v1/counters", json={"name": name}, headers=headers)


def client_of(app: HttpApp | object) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app)  # type: ignore[arg-type]
    return httpx2.AsyncClient(transport=transport, base_url="http://armature.test")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture
def site(tmp_path: Path) -> Open:
    """`async with site(HTTP__PREFIX="/api") as found:` — policies by the names of their variables."""

    @asynccontextmanager
    async def opened(environment: str = "dev", **policies: str) -> AsyncIterator[Site]:
        environ: Mapping[str, str] = {
            "ARMATURE_CURSOR_KEY": KEY,
            **{f"ARMATURE_{name}": value for name, value in policies.items()},
        }
        model = load(ROOT, topology="single", environment=environment, flags={"--data": str(tmp_path)}, environ=environ)
        system = await open_system(model, load_project(ROOT), environ)
        found = Site(system)
        try:
            yield found
        finally:
            await found.client.aclose()
            await system.close()

    return opened
