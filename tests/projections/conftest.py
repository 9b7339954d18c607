"""Tests here are coroutines; each runs in an event loop of its own, and one that never ends is a failure."""

import asyncio
import inspect

import pytest

_PATIENCE_SECONDS = 90


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), _PATIENCE_SECONDS))
    return True
