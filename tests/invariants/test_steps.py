"""I2, I3: sixteen callers on two nodes lose no step, and eight who come with one key have one effect and hear one answer."""

import asyncio
import os
import random

import pytest

from armature.testing.answer import Response
from armature.testing.faults import Delay, LoseAnswers
from tests.faults.process.fleet import Fleet
from tests.faults.process.whole import Whole

pytestmark = pytest.mark.slow

STEPS = int(os.environ.get("SOAK_STEPS", "1600"))
KEYS = int(os.environ.get("SOAK_KEYS", "240"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
CALLERS, DUPLICATES, COUNTERS = 16, 8, 24
NODE = {"ARMATURE_POSTGRES__LOCK_SECONDS": "2", "ARMATURE_COMMANDS__DEADLINE_SECONDS": "60"}


async def streams(fleet: Fleet) -> dict[str, tuple[int, int]]:
    """By stream: how many events it has, and its last version; versions are 1..n without a hole or a double."""
    rows = await fleet.sql(
        "select stream, count(*), count(distinct stream_version), min(stream_version), max(stream_version) "
        "from armature_outbox group by stream"
    )
    found = {}
    for row in rows.splitlines():
        stream, events, different, first, last = row.split("|")
        assert (int(different), int(first), int(last)) == (int(events), 1, int(events)), f"versions of {stream}"
        found[stream] = int(events), int(last)
    return found


def popular(dice: random.Random) -> int:
    """Some are wanted by everybody, so that conflicts happen all the time; most are not."""
    return min(dice.randrange(COUNTERS), dice.randrange(COUNTERS))


async def test_sixteen_callers_on_two_nodes_lose_no_step(fleet: Fleet) -> None:
    dice = random.Random(SEED)
    async with fleet.open("web", direct=True, **NODE) as near, fleet.open("web", **NODE) as far:
        paths = [await near.counter(f"c{number}") for number in range(COUNTERS)]
        # The far node thinks long in the middle of its transactions, now and then.
        await asyncio.to_thread(fleet.postgres.when, b"set_config", Delay(0.005), nth=dice.randrange(5, 50))
        told: list[Response] = []

        async def caller() -> None:
            for _ in range(STEPS // CALLERS):
                node = dice.choice([near, near, far])
                told.append(await node.post(f"{paths[popular(dice)]}/increment", json={"by": 1}))

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        values = [(await near.get(path)).json() for path in paths]
    assert fleet.postgres.counts["Delay"] >= 1
    assert {one.status for one in told} == {200}, "a caller was refused for want of luck"
    assert sum(one["value"] for one in values) == len(told) == STEPS // CALLERS * CALLERS
    found = await streams(fleet)
    assert sum(events for events, _ in found.values()) == len(told) + len(paths)
    assert sorted(last for _, last in found.values()) == sorted(one["version"] for one in values)


async def test_eight_with_one_key_have_one_effect_and_hear_the_same_bytes(fleet: Fleet) -> None:
    dice = random.Random(SEED)
    async with fleet.open("web", direct=True) as near, fleet.open("web") as far:
        paths = [await near.counter(f"c{number}") for number in range(COUNTERS)]
        # A batch is committed by a word of its own, or by the statement that tells its events.
        places = [(b"commit\0", nth) for nth in (1, 3, 6, 20)] + [(b"counter.changed", nth) for nth in (10, 30, 60)]
        cuts = [await asyncio.to_thread(fleet.postgres.when, word, LoseAnswers(), nth=nth) for word, nth in places]

        async def one(number: int) -> None:
            path = paths[popular(dice)]
            nodes = [dice.choice([near, far]) for _ in range(DUPLICATES)]
            answers = await asyncio.gather(*(_ask(node, path, number, attempt) for attempt, node in enumerate(nodes)))
            bodies = {(answer.status, answer.body, answer.headers.get("etag")) for answer in answers}
            assert len(bodies) == 1, f"key {number} was answered in {len(bodies)} ways: {bodies}"

        waiting = iter(range(KEYS))

        async def caller() -> None:
            for number in waiting:
                await one(number)

        await asyncio.gather(*(caller() for _ in range(8)))
        total = sum([(await near.get(path)).json()["value"] for path in paths])
    assert sum(cut.fired for cut in cuts) >= 3, "hardly an answer was lost: this proves little"
    assert total == KEYS, "a key had two effects, or none"
    found = await streams(fleet)
    assert sum(events for events, _ in found.values()) == KEYS + len(paths)


async def _ask(node: Whole, path: str, number: int, attempt: int) -> Response:
    """Ask until there is an answer: whoever is told that nobody knows comes again with his key."""
    while True:
        headers = {"idempotency-key": f"key-{number}", "x-request-id": f"request-{number}-{attempt}"}
        answer = await node.post(f"{path}/increment", json={"by": 1}, headers=headers)
        if answer.status == 200:
            return answer
        assert answer.status in (503, 504), answer.body
        await asyncio.sleep(0.02)
