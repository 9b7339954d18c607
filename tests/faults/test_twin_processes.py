"""Two processes on one file: one key has one effect and one answer, whoever is asked; and neither loses against the other."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from .process.checkers import Durable, judge
from .process.load import create, driving
from .process.server import Server, until
from .process.wire import Answered, Line

KEYS = 60


async def ask(port: int, path: str, key: str) -> Answered:
    line = Line(port)
    try:
        return await line.request("POST", path, {"idempotency-key": key}, b'{"by":1}')
    finally:
        line.close()


@pytest.mark.slow
def test_twins_in_two_processes_have_one_effect_and_one_answer(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as one, Server(tmp_path / "data") as other:
        one.start()
        other.start()
        (counter,) = create(one, 1)
        path = f"/v1/counters/{counter}/increment"

        async def twins(n: int) -> list[Answered]:
            return await asyncio.gather(*(ask(port, path, f"k{n}") for port in (one.port, other.port) * 2))

        async def story() -> list[list[Answered]]:
            return [await twins(n) for n in range(KEYS)]

        told = asyncio.run(story())
        for n, answers in enumerate(told):
            kept = {(a.status, a.body, a.headers["etag"], a.headers["armature-position"]) for a in answers}
            assert len(kept) == 1, f"k{n} was answered in {len(kept)} ways"
            assert [a.status for a in answers] == [200] * 4
            first = [index for index, a in enumerate(answers) if a.headers.get("idempotent-replayed") is None]
            assert len(first) == 1, f"{len(first)} of four calls say that they were the first"
        assert msgspec.json.decode(one.get(f"/v1/counters/{counter}")[1])["value"] == KEYS


@pytest.mark.slow
def test_callers_of_two_processes_move_the_same_counters_and_one_of_them_dies(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as one, Server(tmp_path / "data") as other:
        one.start()
        other.start()
        counters = create(one, 3, 1_000)
        with (
            driving(one, tmp_path / "one.jsonl", "transfers", counters, clients=4, seed=1) as here,
            driving(other, tmp_path / "other.jsonl", "transfers", counters, clients=4, seed=2) as there,
        ):
            until(lambda: min(here.told("ok"), there.told("ok")) > 100, "no load on both")
            one.kill()
            there.goes_on(50)
            one.start()
            here.goes_on(50)
            history = here.end() + there.end()
        judge(Durable.read(one.database), history)
        assert sum(value for value, _ in Durable.read(one.database).counters.values()) == 3_000
        refused = [line for line in history if line.what == "fail" and line.status != 409]
        assert not refused, f"contention alone refuses nobody: {refused[:3]}"
