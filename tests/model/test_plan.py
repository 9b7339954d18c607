"""The plan says what a model means for these modules, or why it cannot mean anything."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import json

from armature.runtime.facts import ModuleFacts, OperationFacts
from armature.runtime.graph import ordered
from armature.runtime.model import ModelError
from armature.runtime.plan import Plan, plan
from tests.model.project import DEV, loaded, project

GET = OperationFacts("counter.get", "query", "GET", "/counters/{counter_id}", "counter:read")
COUNTER = ModuleFacts(name="counter", version="1", operations=(GET,), projections=("counter.history",))


def planned(root: Path, modules: Sequence[ModuleFacts], topology: str = "", **flags: str) -> Plan:
    return plan(loaded(project(root, single=topology), **flags), modules)


def refused(root: Path, modules: Sequence[ModuleFacts], topology: str = "") -> list[str]:
    with pytest.raises(ModelError) as raised:
        planned(root, modules, topology)
    return str(raised.value).splitlines()


def module(name: str, *needs: str) -> ModuleFacts:
    return ModuleFacts(name=name, needs=needs)


def test_one_process_hosts_everything_by_default(tmp_path: Path) -> None:
    drawn = planned(tmp_path, [COUNTER])
    assert [(p.name, p.modules, p.roles) for p in drawn.processes] == [("app", ("counter",), ("http", "projector", "sweeper"))]
    assert [(r.method, r.path, r.permission, r.processes) for r in drawn.routes] == [
        ("GET", "/v1/counters/{counter_id}", "counter:read", ("app",))
    ]
    assert drawn.adapters[0].adapter == "sqlite"
    assert drawn.adapters[0].detail == str(tmp_path / "data/armature.db")


def test_each_database_is_shown_with_the_processes_that_live_on_it(tmp_path: Path) -> None:
    topology = "processes: {app: {modules: [counter]}, quota: {modules: [quota], database: quota}}"
    there = 'databases: {quota: {adapter: sqlite, path: "{data}/quota.db"}}'
    drawn = plan(loaded(project(tmp_path, single=topology, dev=there)), [COUNTER, module("quota")])
    shown = [(one.detail, one.processes) for one in drawn.adapters if one.port == "database"]
    assert shown == [(str(tmp_path / "data/armature.db"), ("app",)), (str(tmp_path / "data/quota.db"), ("quota",))]


def test_the_prefix_of_routes_is_the_policys(tmp_path: Path) -> None:
    model = loaded(project(tmp_path), {"ARMATURE_HTTP__PREFIX": "/api/{version}"})
    assert plan(model, [COUNTER]).routes[0].path == "/api/1/counters/{counter_id}"


def test_every_value_is_shown_with_the_place_it_came_from(tmp_path: Path) -> None:
    model = loaded(project(tmp_path, dev="policies: {queries: {reader_threads: 2}}"), port="99")
    drawn = plan(model, [])
    by_key = {value.key: (value.value, value.origin) for value in drawn.values}
    assert by_key["http.port"] == (99, "--port")
    assert by_key["queries.reader_threads"] == (2, DEV)
    assert by_key["database.path"] == ("{data}/armature.db", "default")
    assert by_key["database.batch_units_max"] == (256, "default")
    lines = drawn.render().splitlines()
    assert "  http.port               99  --port" in lines
    assert f"{len(drawn.values) - 2} more values are defaults." in lines
    assert "database.batch_units_max" in drawn.render(defaults=True)


def test_the_plan_is_json_too(tmp_path: Path) -> None:
    drawn = planned(tmp_path, [COUNTER])
    assert json.decode(drawn.to_json(), type=Plan) == drawn


def test_modules_start_after_those_that_they_need() -> None:
    names = [m.name for m in ordered([module("a", "b", "d"), module("b", "c"), module("d"), module("c")])]
    assert names == ["c", "b", "d", "a"]


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([module("a", "a")], "modules/a/module.yaml: needs: modules need each other: a → a; "),
        ([module("a", "b"), module("b", "a")], "modules/a/module.yaml: needs: modules need each other: a → b → a; "),
        (
            [module("a", "x"), module("b", "c"), module("c", "b"), module("x", "b"), module("z")],
            "modules/b/module.yaml: needs: modules need each other: b → c → b; ",
        ),
        ([module("a", "coutner"), module("counter")], "there is no module 'coutner'; did you mean 'counter'?"),
        ([module("a"), module("a")], "modules/a: there are two modules of this name; rename one"),
    ],
)
def test_a_graph_that_has_no_order_is_refused(modules: list[ModuleFacts], message: str) -> None:
    with pytest.raises(ModelError) as raised:
        ordered(modules)
    assert message in str(raised.value)


REFUSED = {
    "processes: {app: {modules: [countre]}}": "processes.app.modules: there is no module 'countre'; did you mean 'counter'?",
    "processes: {app: {roles: [http]}}": "nobody folds the projections of module 'counter'",
    "processes: {app: {roles: [projector]}}": "nobody answers requests for module 'counter'",
    "processes: {app: {modules: [other], roles: [http, projector]}}": "nobody hosts module 'counter'",
    "processes: {a: {modules: [counter, other]}, b: {modules: [other]}}": "processes.b.modules: it asks module 'counter', which "
    "nobody answers other processes for; add 'counter' here, or give role neighbour to a process that hosts it",
    "processes: {edge: {modules: [], roles: [http]}, app: {roles: [projector]}}": "processes.edge.modules: it asks module "
    "'counter', which nobody answers other processes for",
}


@pytest.mark.parametrize(("topology", "message"), REFUSED.items())
def test_a_topology_that_leaves_work_undone_is_refused(tmp_path: Path, topology: str, message: str) -> None:
    said = refused(tmp_path, [COUNTER, module("other", "counter")], topology)
    assert any(message in line for line in said), said
    assert all(line.startswith("platform/topologies/single.yaml: ") for line in said)


def test_routes_that_differ_in_a_parameters_name_alone_are_one_route(tmp_path: Path) -> None:
    twin = OperationFacts("other.get", "query", "GET", "/counters/{id}", "other:read")
    literal = OperationFacts("other.totals", "query", "GET", "/counters/totals", "other:read")
    said = refused(tmp_path, [COUNTER, ModuleFacts(name="other", operations=(twin, literal))])
    assert said == [
        "modules/other/contract.py: other.get: GET /v1/counters/{id} is also counter.get's; give it a path of its own"
    ]
