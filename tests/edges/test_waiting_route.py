"""A route that was given what `build` was given waits for its caller, and is woken when something happened."""

import asyncio
import shutil
from pathlib import Path

import pytest

from armature.http import Request, wait
from armature.testing import TestApp
from tests.docs.guide import write_project

ROOT = Path(__file__).parents[2]


async def test_a_route_waits_for_what_background_work_finds(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "platform" / "environments", tmp_path / "platform" / "environments")
    (tmp_path / "platform" / "policies.yaml").write_text("roles: {}\n")
    write_project("background", tmp_path)
    app = TestApp(tmp_path)
    app.outbound.on("GET", "https://rates.example/eur-usd").answers(json={"millionths": 7})
    async with app, asyncio.timeout(20):
        heard = await app.get("/rate/following?after=0")
        assert (heard.status, heard.body) == (200, b"1 7")
        assert (await app.get("/v1/rate")).json()["version"] == 1


async def test_waiting_outside_of_a_route_says_where_it_works() -> None:
    async def look() -> None: ...

    request = Request({"type": "http", "headers": []})
    with pytest.raises(LookupError, match=r"http\.py"):
        await wait(request, None, "key", look, seconds=1)  # type: ignore[arg-type]
