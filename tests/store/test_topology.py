"""What a topology with role `store` may say, and what a guest wants of its owner before it begins."""

from pathlib import Path

import pytest

from armature.kernel.refusals import Unavailable
from armature.ports.migrator import Applied, Migration, Pending
from armature.runtime.facts import ModuleFacts
from armature.runtime.model import Model, load
from armature.runtime.project import load_project
from armature.runtime.seating import refuse_unseated, unseated
from armature.runtime.storing import hold_path, refuse_pending, socket_path, stored
from tests.faults.process.server import PROJECT


def model_of(tmp_path: Path, processes: str, environment: str = "dev") -> Model:
    (tmp_path / "platform/topologies").mkdir(parents=True)
    (tmp_path / "platform/environments").mkdir()
    (tmp_path / "platform/policies.yaml").write_text("{}\n")
    (tmp_path / "platform/topologies/odd.yaml").write_text(f"processes:\n{processes}")
    (tmp_path / "platform/environments/dev.yaml").write_text("data: data\n")
    there = "database: {adapter: postgres, url: env:SOMEWHERE}\n"
    both = 'data: data\ndatabases: {quota: {adapter: sqlite, path: "{data}/quota.db"}}\n'
    (tmp_path / "platform/environments/two.yaml").write_text(both)
    (tmp_path / "platform/environments/pg.yaml").write_text(there)
    return load(tmp_path, topology="odd", environment=environment, flags={}, environ={})


OWNER = "  store: {roles: [store, projector, sweeper]}\n"


def test_a_topology_that_seats_the_role_on_a_file_has_one_owner(tmp_path: Path) -> None:
    model = model_of(tmp_path, OWNER + "  web: {roles: [http], replicas: 4}\n")
    assert stored(model)
    assert socket_path(model) == tmp_path / "data/store.sock"
    assert hold_path(model) == tmp_path / "data/armature.db.owner"
    refuse_unseated(model, [])


@pytest.mark.parametrize("more", ["  other: {roles: [store]}\n", "  other: {roles: [http, store], replicas: 2}\n"])
def test_two_owners_of_one_file_are_refused_before_the_start(tmp_path: Path, more: str) -> None:
    model = model_of(tmp_path, OWNER + more)
    with pytest.raises(Exception, match="processes have role store, and one process owns the file; give it to one process"):
        refuse_unseated(model, [])
    assert any("role store" in str(problem) for problem in unseated(model, []))


def test_an_owner_of_a_server_is_refused_before_the_start(tmp_path: Path) -> None:
    model = model_of(tmp_path, OWNER + "  numbers: {roles: [sequencer]}\n", "pg")
    assert not stored(model)
    with pytest.raises(Exception, match="role store owns a SQLite file, and the database of environment pg is postgres"):
        refuse_unseated(model, [])


ELSEWHERE = "  quota: {modules: [quota], roles: [store, reactor], database: quota}\n"
QUOTA = ModuleFacts(name="quota")


def test_each_database_has_an_owner_of_its_own_where_it_is_met(tmp_path: Path) -> None:
    model = model_of(tmp_path, OWNER + ELSEWHERE, "two")
    refuse_unseated(model, [QUOTA])
    quota = model.on("quota")
    assert stored(model) and stored(quota)
    assert (socket_path(model).name, socket_path(quota).name) == ("store.sock", "store-quota.sock")
    assert hold_path(quota) == tmp_path / "data/quota.db.owner"


def test_a_database_that_nobody_owns_is_its_processes_own_beside_one_that_is_owned(tmp_path: Path) -> None:
    model = model_of(tmp_path, OWNER + "  quota: {modules: [quota], roles: [reactor], database: quota}\n", "two")
    refuse_unseated(model, [QUOTA])
    assert stored(model) and not stored(model.on("quota"))


def test_two_owners_of_another_database_are_refused_by_its_name(tmp_path: Path) -> None:
    model = model_of(tmp_path, OWNER + ELSEWHERE.replace("}\n", ", replicas: 2}\n"), "two")
    with pytest.raises(Exception, match="2 processes have role store, and one process owns the file of the database quota; give"):
        refuse_unseated(model, [QUOTA])


def test_a_topology_without_the_role_is_as_it_was(tmp_path: Path) -> None:
    assert not stored(model_of(tmp_path, "  app: {roles: [http, projector, sweeper]}\n"))


def test_a_guest_of_an_owner_that_has_not_migrated_for_it_says_which_process_must_go_first() -> None:
    class Old:
        dialect = "sqlite"

        def applied(self) -> list[Applied]:
            return []

        def migrate(self, pending: Pending) -> list[Migration]:
            raise AssertionError("a guest does not migrate")

    modules = [(module.name, module.folder) for module in load_project(PROJECT).modules]
    with pytest.raises(Unavailable, match=r"the first is armature/0001_foundation; start the process with role store first"):
        refuse_pending(Old(), modules)
