"""Promote: the course itself, between a source and a target in memory; writers act between any two steps, and it dies anywhere.

After the switch both sides hold the same rows, and every event that was answered is in the target under its own number.
`tests/moving` has the worlds, and what else is asked of the course.
"""

import pytest

from armature.testing.simulation import Simulation, simulate
from tests.moving.memory import World
from tests.moving.test_course import judge, moved

from .world import SEEDS

pytestmark = pytest.mark.slow
REGRESSIONS: list[int] = []


async def schedule(world: Simulation) -> None:
    place = World(world.random.randrange(1 << 32), rows=6, deaths=0.02)
    moved(place)
    judge(place)


def test_a_promoted_database_has_every_write_that_was_answered() -> None:
    simulate(schedule, [*REGRESSIONS, *SEEDS])
