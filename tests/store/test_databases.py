"""A database of its own for a module, and an owner of its own for each of the files: started as one would, and proven equal."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from armature.testing.prove.proof import prove
from armature.testing.prove.verdict import hashes
from tests.services.street import Street

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
STEPS = 5
# Each file has an owner and guests; and where a file has no owner its process writes it, whatever others do.
TOPOLOGIES = {
    "stores": """
environment: services
processes:
  counter: {modules: [counter], roles: [store, neighbour, projector, sweeper]}
  edge: {modules: [counter, desk], roles: [http], replicas: 2}
  quota: {modules: [quota], roles: [store, reactor, sweeper], database: quota}
  answering: {modules: [quota], roles: [neighbour], database: quota, replicas: 2}
""",
    "beside": """
environment: services
processes:
  counter: {modules: [counter], roles: [store, neighbour, projector, sweeper]}
  edge: {modules: [counter, desk], roles: [http]}
  quota: {modules: [quota], roles: [neighbour, reactor, sweeper], database: quota}
""",
}


@pytest.fixture
def root() -> Iterator[Path]:
    """This project with those topologies."""
    with tempfile.TemporaryDirectory(prefix="stores-", ignore_cleanup_errors=True) as name:
        for part in ("modules", "platform"):
            shutil.copytree(ROOT / part, Path(name) / part, ignore=shutil.ignore_patterns("__pycache__"))
        for topology, text in TOPOLOGIES.items():
            (Path(name) / f"platform/topologies/{topology}.yaml").write_text(text)
        yield Path(name)


def test_what_is_told_of_one_process_is_told_of_several_owners(root: Path) -> None:
    proof = asyncio.run(prove(root, ["single", *TOPOLOGIES], commands=400, seed=20_261_122))
    assert proof.differences == (), "\n".join(proof.differences[:3])
    assert [one.nodes for one in proof.played] == [1, 2, 1]
    assert len({tuple(hashes(one).items()) for one in proof.played}) == 1


def test_each_owner_is_killed_alone_and_the_other_files_are_written_meanwhile(root: Path) -> None:
    with Street(root, "stores", others=("answering",)) as street:
        tenant = street.tenant()
        counter = street.limited(tenant)
        assert {file.name for file in street.data.glob("*.sock")} == {"store.sock", "store-quota.sock"}
        street.kill("quota")
        for _ in range(STEPS):
            street.insist("POST", f"/v1/counters/{counter}/increment", tenant=tenant)
        # A guest reads the file of an owner that is gone; nobody writes it.
        assert street.used(tenant, counter) == 0
        refused = street.ask("POST", f"/v1/quotas/{counter}/reservations", {"amount": 1}, tenant=tenant)
        assert refused.status == 503, refused
        street.start("quota")
        street.follows(tenant, counter, STEPS)
        street.kill("counter")
        reserved, _ = street.insist("POST", f"/v1/quotas/{counter}/reservations", {"amount": 1}, tenant=tenant)
        assert reserved.status == 201
        street.start("counter")
        street.insist("POST", f"/v1/counters/{counter}/increment", tenant=tenant)
        street.follows(tenant, counter, STEPS + 1)
        assert street.settled(tenant, counter) == list(range(1, STEPS + 2))
