"""The examples of the guide run as they stand there."""

import asyncio
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from armature.testing import RunningServer, TestApp

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "testing.md"


def examples() -> Iterator[tuple[str, Callable[..., Any]]]:
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        names: dict[str, Any] = {}
        exec(compile(block, str(GUIDE), "exec"), names)
        yield from ((name, value) for name, value in names.items() if name.startswith("test_"))


EXAMPLES = dict(examples())


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    example = EXAMPLES[name]
    wanted = inspect.signature(example).parameters
    if not inspect.iscoroutinefunction(example):
        with RunningServer(ROOT) if wanted else nullcontext() as server:
            example(*[server] * len(wanted))
        return

    async def opened() -> None:
        async with TestApp(ROOT) if wanted else nullcontext() as app:
            await example(*[app] * len(wanted))

    asyncio.run(opened())


def test_the_guide_has_examples() -> None:
    assert len(EXAMPLES) >= 5
