"""The story of the counters on paper, told of every topology: each request goes to the next node."""

import asyncio
from itertools import count, cycle
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize, run_state_machine_as_test

from armature.testing.answer import Response
from tests.stories.paper import Paper
from tests.stories.test_counter_on_paper import TENANTS, Counters
from tests.topologies.town import Town

pytestmark = pytest.mark.slow

EXAMPLES = 8
_numbers = count(1)


class App:
    """What the story asks of an application, answered by the nodes of a town in turn, for tenants of this telling alone."""

    def __init__(self, town: Town) -> None:
        # Limits are lifted in a town, so nobody has to move its clock.
        self.clock = SimpleNamespace(move=lambda seconds: None)
        self._town = town
        self._nodes = cycle(town.nodes)
        self._telling = next(_numbers)

    async def get(self, path: str, tenant: str) -> Response:
        return await self._ask("GET", path, msgspec.UNSET, {"x-tenant-id": tenant})

    async def post(self, path: str, json: Any, headers: dict[str, str]) -> Response:
        return await self._ask("POST", path, json, headers)

    async def patch(self, path: str, json: Any, headers: dict[str, str]) -> Response:
        return await self._ask("PATCH", path, json, headers)

    async def request(self, method: str, path: str, headers: dict[str, str]) -> Response:
        return await self._ask(method, path, msgspec.UNSET, headers)

    async def restart(self) -> None:
        """One node is passed over, so that who sent the last request is never who sends the next."""
        next(self._nodes)

    async def settled(self) -> None:
        await self._town.settled()

    async def _ask(self, method: str, path: str, json: Any, headers: dict[str, str]) -> Response:
        tenant = f"{headers['x-tenant-id']}-{self._telling}"
        return await next(self._nodes).ask(method, path, json, headers, tenant=tenant)


def told_of(town: Town, loop: asyncio.Runner) -> type[Counters]:
    """Return the story with this town in the place of the one process."""

    class InTown(Counters):
        @initialize()
        def open(self) -> None:
            self.loop = loop
            self.app = App(town)  # type: ignore[assignment]
            self.papers = {tenant: Paper() for tenant in TENANTS}
            self.known = {}

        def teardown(self) -> None:
            if hasattr(self, "app"):
                self.loop.run(self._compare_views())

    return InTown


def test_counters_and_paper_agree(town: Town, armature_loop: asyncio.Runner) -> None:
    run_state_machine_as_test(
        told_of(town, armature_loop),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
