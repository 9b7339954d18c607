"""A call leaves nothing in circles for the garbage collector, however it ends."""

import asyncio

import pytest

from armature.testing.app import TestApp
from tests.engine.rack import add, rack
from tests.garbage import left_behind


async def reads(app: TestApp, item: str) -> None:
    assert (await app.get(f"/v1/items/{item}")).status == 200


async def writes(app: TestApp, item: str) -> None:
    assert (await app.post(f"/v1/items/{item}/grow")).status == 200


async def asks_a_neighbour(app: TestApp, item: str) -> None:
    assert (await app.post("/v1/notes", json={"item_id": item})).status == 201


async def contends(app: TestApp, item: str) -> None:
    await asyncio.gather(*(writes(app, item) for _ in range(3)))


@pytest.mark.parametrize("story", [reads, writes, asks_a_neighbour, contends], ids=lambda story: story.__name__)
async def test_a_call_leaves_no_circles(story: object) -> None:
    assert callable(story)
    async with rack() as app:
        item = await add(app, "apple")
        await story(app, item)
        with left_behind() as left:
            for _ in range(5):
                await story(app, item)
        assert not left, f"5 calls left {dict(left)}"
