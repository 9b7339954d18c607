"""Who hosts, answers for and serves a module follows from the roles and modules of the processes, and from nothing else."""

from pathlib import Path

import pytest

from armature.runtime.facts import ModuleFacts, OperationFacts
from armature.runtime.model import Model, ModelError
from armature.runtime.placing import answerers, home, reached, served, servers
from armature.runtime.plan import plan
from armature.runtime.seat import seat_of
from armature.runtime.seating import unseated
from tests.model.project import loaded, project
from tests.model.test_plan import COUNTER

ASKED = (OperationFacts("quota.get", "query", "GET", "/quotas/{id}", "quota:read"),)
QUOTA = ModuleFacts(name="quota", operations=ASKED, reactions=True, hears=("counter",), needs=("counter",))
BOTH = [COUNTER, QUOTA]
LAYERED = "{edge: {modules: [], roles: [http]}, app: {roles: [neighbour, projector, relay, reactor, sweeper]}}"
SERVICES = (
    "{edge: {modules: [], roles: [http]}, counter: {modules: [counter], roles: [neighbour, projector, relay, sweeper]},"
    " quota: {modules: [quota], roles: [http, neighbour, reactor, sweeper], database: own}}"
)
OWN = "databases: {own: {adapter: sqlite, path: '{data}/own.db'}}"


def made(folder: Path, processes: str, environment: str = "") -> Model:
    return loaded(project(folder, single=f"processes: {processes}", dev=environment))


def test_an_edge_without_modules_serves_and_reaches_all_of_them(tmp_path: Path) -> None:
    model = made(tmp_path, LAYERED)
    assert reached(model, "edge", BOTH) == ["counter", "quota"]
    assert reached(model, "app", BOTH) == []
    assert answerers(model, "counter") == ("app",)
    assert {route.processes for route in plan(model, BOTH).routes} == {("edge",)}


def test_who_hosts_a_module_and_has_an_edge_serves_it_alone(tmp_path: Path) -> None:
    model = made(tmp_path, SERVICES, OWN)
    assert servers(model, "counter", "http") == ("edge", "quota"), "nobody with an edge hosts it, so all edges serve it"
    assert servers(model, "quota", "http") == ("quota",)
    assert served(model, "edge", ["counter", "quota"], "http") == ["counter"]


def test_a_module_with_a_database_of_its_own_reaches_the_log_it_reacts_to(tmp_path: Path) -> None:
    model = made(tmp_path, SERVICES, OWN)
    assert (home(model, "counter"), home(model, "quota")) == ("", "own")
    lonely = ModuleFacts(name="quota", reactions=True, hears=("counter",))
    assert reached(model, "quota", [COUNTER, lonely]) == ["counter"]
    assert list(unseated(model, BOTH)) == []


def test_each_process_sees_its_own_database_as_the_database(tmp_path: Path) -> None:
    model = made(tmp_path, SERVICES, OWN)
    there = model.on(seat_of(model, "quota").home)
    assert there.database_path == tmp_path / "data" / "own.db"
    assert there.archive_path != model.archive_path
    assert there.log_name == f"{model.installation}-own"


def test_one_process_cannot_stand_for_several_databases(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="live on several databases"):
        seat_of(made(tmp_path, SERVICES, OWN))


def test_a_module_on_two_databases_is_refused(tmp_path: Path) -> None:
    processes = SERVICES.replace("modules: [counter]", "modules: '*'")
    with pytest.raises(ModelError, match="module 'quota' would live on database and own"):
        plan(made(tmp_path, processes, OWN), BOTH)


def test_a_database_that_the_environment_does_not_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'own' is no database of the environment dev; name it there, under databases"):
        made(tmp_path, SERVICES)


def test_roles_are_needed_on_each_database(tmp_path: Path) -> None:
    model = made(tmp_path, SERVICES.replace("reactor, sweeper", "sweeper"), OWN)
    (problem,) = unseated(model, BOTH)
    assert "nobody plays the role reactor" in problem.text


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ("neighbours: {transport: nats}", "neighbours.url: is missing, and nats is a server"),
        ("neighbours: {url: 'nats://h:1'}", "neighbours.url: is given, and gRPC has no server"),
        ("neighbours: {listen: '0.0.0.0:9443'}", "neighbours.listen: is given without certificates"),
        ("neighbours: {addresses: {app: 'app:9443'}}", "neighbours.addresses: is given without certificates"),
        ("neighbours: {listen: nowhere, certificate: a, key: b, authority: c}", "neighbours.listen: 'nowhere' is no address"),
        ("neighbours: {certificate: a.pem}", "neighbours.certificate: is given without key, authority"),
    ],
)
def test_an_environment_in_which_processes_could_not_meet_is_refused(tmp_path: Path, environment: str, said: str) -> None:
    with pytest.raises(ModelError) as refused:
        made(tmp_path, LAYERED, environment)
    assert said in str(refused.value)
