"""A generation moves along the log: everything once, in order, and its checkpoint with it."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from armature.engine.policies import ProjectionPolicy
from tests.projections.lab import Lab, Lines, Split, Stepped, Sums


async def test_the_first_start_builds_generation_one_and_makes_it_live(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        assert await lab.rows("select projection, generation, state from armature_generations") == [
            ("probe.lines", 1, "live"),
            ("probe.sums", 1, "live"),
        ]
