"""Several replicas of a service follow another service's log, on servers and on files: each event takes effect once."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from armature.runtime.roles.reactor import ReactorRole
from armature.testing.prove.stage import Servers
from tests.services.street import SETTLE, Street, Walker
from tests.topologies.hands import until
from tests.topologies.place import build
from tests.topologies.town import Town

pytestmark = pytest.mark.slow

STEPS = 60


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Path]:
    """The services of `split`, quota with two replicas on a PostgreSQL database of its own."""
    root = build(tmp_path / "city", "split")
    topology = root / "platform/topologies/split.yaml"
    written = yaml.safe_load(topology.read_text())
    processes = written["processes"]
    processes["quota"] = {
        "modules": ["quota"], "roles": ["neighbour", "sequencer", "reactor", "sweeper"], "database": "quota", "replicas": 2
    }  # fmt: skip
    processes["keeper"] = {"modules": ["counter", "desk", "errand"], "roles": ["sweeper"]}
    topology.write_text(yaml.safe_dump(written))
    environment = root / "platform/environments/split.yaml"
    named = yaml.safe_load(environment.read_text())
    named["databases"] = {"quota": {"adapter": "postgres", "url": "env:ARMATURE_QUOTA_URL"}}
    environment.write_text(yaml.safe_dump(named))
    yield root


def test_two_replicas_on_a_server_take_each_event_of_another_servers_log_once(city: Path) -> None:
    servers = Servers()
    try:
        with asyncio.Runner() as runner:
            runner.run(_walked(city, servers))
    finally:
        servers.close()


async def _walked(city: Path, servers: Servers) -> None:
    async with Town(city, "split", servers) as town:
        tenant = town.tenant()
        made = await town.here.ask("POST", "/v1/counters", {"name": "visits"}, tenant=tenant)
        counter = made.json()["id"]
        limit = await town.there.ask("PUT", f"/v1/quotas/{counter}", {"allowed": 1_000}, tenant=tenant)
        assert (limit.status, limit.headers["armature-position"].partition(":")[0]) == (200, "quota")

        async def step(number: int) -> int:
            node = town.nodes[number % len(town.nodes)]
            return int((await node.ask("POST", f"/v1/counters/{counter}/increment", tenant=tenant)).status)

        assert Counter([await step(number) for number in range(STEPS // 2)]) == {200: STEPS // 2}
        assert Counter(await asyncio.gather(*map(step, range(STEPS // 2)))) == {200: STEPS // 2}
        await town.settled()
        for node in town.nodes:
            quota = (await node.ask("GET", f"/v1/quotas/{counter}", tenant=tenant)).json()
            assert (quota["used"], quota["version"]) == (STEPS, STEPS + 1)
        roles = [role for system in town.systems for role in system.background._roles]
        members = [one for role in roles if isinstance(role, ReactorRole) for one in role.consumers if one.name == SETTLE]
        assert len(members) == 2
        assert sum(one.taken for one in members) == STEPS


def test_two_replicas_on_one_file_take_each_event_once_though_one_is_killed(street: Street) -> None:
    tenant = street.tenant()
    counter = street.limited(tenant)
    twin = street.launch("quota", place="twin").ready()
    walker = Walker(street, tenant, counter, STEPS)
    walker.start()
    until(lambda: len(street.settled(tenant, counter)) > STEPS // 3, lambda: "a third is settled")
    street.kill("quota")
    walker.join(90)
    assert walker.done == STEPS and twin.alive
    street.follows(tenant, counter, STEPS)
    assert street.settled(tenant, counter) == list(range(1, STEPS + 1))
    street.kill("twin")
    street.start("quota")
