"""Each key of `neighbours`, flipped, with another process's module on the other side of a switchboard."""

import asyncio
from collections import Counter

from armature.adapters.memory.links import MemoryLinks, Switchboard
from armature.engine.outbound import Rhythm
from armature.engine.remote_way import Errand, Way
from armature.kernel.refusals import PlatformRefusal
from tests.edges.wire import until
from tests.model.effects import Stage, effect_of

ONCE = {"neighbours.attempts_max": "1"}
FREELY = {"neighbours.retry_ratio_max": "1"}


class Town:
    """Two processes: one asks, the other answers while it is `up`. Time moves when it is told to."""

    def __init__(self, stage: Stage) -> None:
        self.policy = stage.model().policies.neighbours
        self.now = 1_000.0
        self.outcomes: Counter[str] = Counter()
        self.at_once = self.most = 0
        self.go = asyncio.Event()
        self.go.set()
        board = Switchboard()
        size = self.policy.message_bytes_max
        self.there = MemoryLinks(board, message_bytes_max=size)
        here = MemoryLinks(board, message_bytes_max=size)
        rhythm = Rhythm(lambda: self.now, self._pass, lambda: 0.5)
        self.way = Way("counter", here, self.policy, self._outcome, rhythm)

    @property
    def tries(self) -> int:
        """How often the links were asked."""
        return sum(count for word, count in self.outcomes.items() if word != "barred")

    async def up(self) -> None:
        await self.there.answer(["counter"], self._respond)

    async def down(self) -> None:
        await self.there.leave()

    async def ask(self, message: bytes = b"hello") -> str:
        """Return the answer, or the code of the refusal."""
        try:
            answer = await self.way.ask(Errand(lambda seconds: message, self.now + 60, reads=True, keyed=False))
        except PlatformRefusal as refusal:
            return refusal.code
        return answer.decode()

    async def asked(self, times: int) -> int:
        """Ask so often; return how many messages were tried in all."""
        for _ in range(times):
            await self.ask()
        return self.tries

    async def _respond(self, message: bytes) -> bytes:
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.go.wait()
        self.at_once -= 1
        return b"ok"

    async def _pass(self, seconds: float) -> None:
        self.now += seconds

    def _outcome(self, module: str, word: str) -> None:
        self.outcomes[word] += 1


@effect_of("neighbours.attempts_max", to="1", default=3, flipped=1, given=FREELY)
async def test_a_call_to_a_neighbour_is_tried_so_often(stage: Stage) -> object:
    return await Town(stage).asked(1)


@effect_of("neighbours.retry_ratio_max", to="0", default=2, flipped=1, given={"neighbours.attempts_max": "2"})
async def test_a_neighbour_is_asked_again_for_a_share_of_the_calls(stage: Stage) -> object:
    return await Town(stage).asked(1)


@effect_of("neighbours.running_max", to="2", default=5, flipped=2)
async def test_so_many_calls_to_a_neighbour_are_under_way_at_once(stage: Stage) -> object:
    town = Town(stage)
    await town.up()
    town.go.clear()
    async with asyncio.TaskGroup() as calls:
        asked = [calls.create_task(town.ask()) for _ in range(5)]
        expected = min(5, town.policy.running_max)
        await until(lambda: town.at_once == expected)
        town.go.set()
    assert [one.result() for one in asked] == ["ok"] * 5
    return town.most


@effect_of(
    "neighbours.waiting_max", to="1", default=["ok"] * 3, flipped=["ok", "ok", "system:unavailable"],
    given={"neighbours.running_max": "1"},
)  # fmt: skip
async def test_so_many_calls_to_a_neighbour_wait(stage: Stage) -> object:
    town = Town(stage)
    await town.up()
    town.go.clear()
    async with asyncio.TaskGroup() as calls:
        asked = [calls.create_task(town.ask()) for _ in range(3)]
        await until(lambda: town.at_once == 1)
        town.go.set()
    return [one.result() for one in asked]


@effect_of("neighbours.message_bytes_max", to="1024", default="ok", flipped="system:unavailable")
async def test_a_larger_message_is_not_sent(stage: Stage) -> object:
    town = Town(stage)
    await town.up()
    return await town.ask(b"x" * 1_025)


@effect_of("neighbours.breaker_failure_ratio", to="1", default=4, flipped=5, given={**ONCE, "neighbours.breaker_volume_min": "4"})
async def test_a_neighbour_that_fails_so_often_is_left_alone(stage: Stage) -> object:
    town = Town(stage)
    await town.up()
    await town.asked(1)
    await town.down()
    return await town.asked(4)


@effect_of("neighbours.breaker_volume_min", to="2", default=5, flipped=2, given=ONCE)
async def test_a_breaker_judges_a_neighbour_after_so_many_calls(stage: Stage) -> object:
    return await Town(stage).asked(5)


@effect_of(
    "neighbours.breaker_window_seconds", to="0.05", default=2, flipped=3, given={**ONCE, "neighbours.breaker_volume_min": "2"}
)
async def test_a_breaker_forgets_old_failures_of_a_neighbour(stage: Stage) -> object:
    town = Town(stage)
    await town.asked(1)
    town.now += 1
    await town.asked(1)
    town.now += 0.1
    return await town.asked(1)


@effect_of(
    "neighbours.breaker_open_seconds", to="0.05", default=1, flipped=2, given={**ONCE, "neighbours.breaker_volume_min": "1"}
)
async def test_a_breaker_lets_one_call_try_a_neighbour_after_a_while(stage: Stage) -> object:
    town = Town(stage)
    await town.asked(1)
    town.now += 0.1
    return await town.asked(1)
