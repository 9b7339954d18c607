"""A topology seats what its modules and its environment need, and says what is missing."""

import re
from pathlib import Path

import pytest
from msgspec import structs

from armature.runtime.facts import ModuleFacts
from armature.runtime.model import ModelError
from armature.runtime.project import load_project
from armature.runtime.seat import seat_of
from armature.runtime.seating import connections, refuse_unseated, unseated
from tests.model.project import loaded, project
from tests.model.test_plan import COUNTER

POSTGRES = "database: {adapter: postgres, url: env:PLACE}"
BROKER = "bus: {adapter: nats, url: env:PLACE}"
ALL = ["http", "projector", "sweeper", "sequencer", "relay", "reactor", "watcher"]
BUSY = ModuleFacts(name="busy", operations=COUNTER.operations, projections=("busy.list",), reactions=True, background=True)


@pytest.mark.parametrize("role", ALL)
def test_a_role_that_is_needed_and_played_by_nobody_is_named(tmp_path: Path, role: str) -> None:
    model = loaded(project(tmp_path, single=_playing(set(ALL) - {role}), dev=f"{POSTGRES}\n{BROKER}"))
    said = {problem.text.partition(",")[0] for problem in unseated(model, [BUSY])}
    assert said == {f"nobody plays the role {role}"}
    with pytest.raises(ModelError, match=f"add {role} to a process's roles"):
        refuse_unseated(model, [BUSY])


def test_nothing_is_missing_where_all_are_played(tmp_path: Path) -> None:
    model = loaded(project(tmp_path, single=_playing(set(ALL)), dev=f"{POSTGRES}\n{BROKER}"))
    refuse_unseated(model, [BUSY])


@pytest.mark.parametrize(("role", "work"), [("projector", "projections"), ("reactor", "reactions"), ("watcher", "background.py")])
def test_a_role_that_is_played_only_where_the_module_is_not_leaves_its_work_undone(tmp_path: Path, role: str, work: str) -> None:
    """A process runs what its own modules have: `other` would play the role for nobody."""
    roles = ", ".join(sorted(set(ALL) - {role}))
    topology = f"processes: {{a: {{modules: [busy], roles: [{roles}]}}, b: {{modules: [other], roles: [{', '.join(ALL)}]}}}}"
    model = loaded(project(tmp_path, single=topology, dev=POSTGRES))
    (problem,) = unseated(model, [BUSY, ModuleFacts(name="other")])
    assert problem.text == f"no process that hosts 'busy' plays the role {role}, and nobody else runs its {work}"
    assert problem.cure == f"add {role} to the roles of one of them"
    assert list(unseated(model, [structs.replace(BUSY, projections=(), reactions=False, background=False)])) == []


@pytest.mark.parametrize(
    ("modules", "text"),
    [
        ("[busy, bussy]", "there is no module 'bussy'; did you mean 'busy'?"),
        ("[busy]", "nobody hosts module 'other'; add 'other' to"),
    ],
)
def test_a_start_names_modules_that_live_nowhere_and_names_without_a_module(tmp_path: Path, modules: str, text: str) -> None:
    model = loaded(project(tmp_path, single=f"processes: {{app: {{modules: {modules}, roles: [{', '.join(ALL)}]}}}}"))
    with pytest.raises(ModelError, match=re.escape(text)):
        refuse_unseated(model, [BUSY, ModuleFacts(name="other")])


def test_one_process_on_a_file_needs_neither_sequencer_nor_relay(tmp_path: Path) -> None:
    assert list(unseated(loaded(project(tmp_path)), [COUNTER])) == []


def test_kept_answers_need_somebody_who_ends_them_after_a_crash(tmp_path: Path) -> None:
    model = loaded(project(tmp_path, single=_playing({"http", "sweeper"})))
    plain = structs.replace(COUNTER, projections=())
    kept = structs.replace(plain, operations=tuple(structs.replace(one, cached=True) for one in plain.operations))
    assert list(unseated(model, [plain])) == []
    (problem,) = unseated(model, [kept])
    assert "plays the role projector" in problem.text and "keep their answers" in problem.text


def test_a_module_says_which_of_its_answers_are_kept() -> None:
    (shelf,) = load_project(Path(__file__).parents[1] / "live" / "shelf").modules
    assert {one.name for one in shelf.facts().operations if one.cached} == {"shelf.get", "shelf.load"}


def test_who_shares_a_file_may_leave_folding_to_others(tmp_path: Path) -> None:
    model = loaded(project(tmp_path, single=_playing({"http"})))
    refuse_unseated(model, [COUNTER])
    assert len(list(unseated(model, [COUNTER]))) == 2


def test_connections_are_counted_over_all_replicas(tmp_path: Path) -> None:
    one = connections(loaded(project(tmp_path)))
    three = connections(loaded(project(tmp_path, single="processes: {web: {replicas: 2}, worker: {}}")))
    assert three == 3 * one


def test_a_process_is_its_own_part_of_the_topology(tmp_path: Path) -> None:
    model = loaded(project(tmp_path, single="processes: {web: {roles: [http], modules: [counter]}, worker: {on_loss: exit}}"))
    assert seat_of(model, "web").roles == {"http"}
    assert seat_of(model, "web").hosted(["counter", "cart"]) == ["counter"]
    assert seat_of(model, "worker").on_loss == "exit"
    assert (seat_of(model).modules, seat_of(model).on_loss) == (None, "unready")
    with pytest.raises(ModelError, match="there is no process 'wep'; did you mean 'web'"):
        seat_of(model, "wep")


def test_a_topology_in_one_process_ends_when_all_its_processes_would(tmp_path: Path) -> None:
    model = loaded(project(tmp_path, single="processes: {app: {on_loss: exit}}"))
    assert seat_of(model).on_loss == "exit"


def _playing(roles: set[str]) -> str:
    return f"processes: {{app: {{roles: [{', '.join(sorted(roles))}]}}}}"
