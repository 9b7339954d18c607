"""The contestants tell the truth: each peer and limit keeps the promises it is measured for, and a row that lies is void."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.counters import audit, make_counters
from bench.load import Answers, Job, run
from bench.result import Result, Series, judge
from bench.serve import NotThere, Server
from bench.targets import FASTAPI, LIMIT, PEER, Target
from bench.targets_postgres import POSTGRES_LIMIT, POSTGRES_PEER, on_database

pytestmark = pytest.mark.slow

FORM = {"name": "n", "kind": "goods", "quantity": 1, "price": 1.0, "at": "2026-03-01T10:00:00Z"}


POSTGRES = {"postgres peer": POSTGRES_PEER, "postgres limit": POSTGRES_LIMIT}


@pytest.fixture(scope="module", params=["peer", "limit", *POSTGRES])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    target = {"peer": PEER, "limit": LIMIT}.get(request.param)
    if target is None:
        address = request.getfixturevalue("postgres").create_database(request.param.replace(" ", "_"))
        target = on_database(POSTGRES[request.param], address)
    with tempfile.TemporaryDirectory() as folder, Server(target, Path(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def ids(server: Server) -> list[str]:
    return make_counters(server, 3, stock=True)


def test_a_repeated_key_moves_the_counter_once(server: Server, ids: list[str]) -> None:
    path = f"/v1/counters/{ids[0]}/increment"
    first = server.call("POST", path, {"by": 2}, key="twice")
    assert server.call("POST", path, {"by": 2}, key="twice") == first
    assert server.call("GET", f"/v1/counters/{ids[0]}")[1]["value"] == first[1]["value"]


def test_a_transfer_below_zero_is_refused_and_changes_nothing(server: Server, ids: list[str]) -> None:
    source = server.call("GET", f"/v1/counters/{ids[1]}")[1]
    assert server.call("POST", f"/v1/counters/{ids[1]}/transfer", {"to": ids[2], "by": 1_000}, key="all")[0] == 200
    assert server.call("POST", f"/v1/counters/{ids[1]}/transfer", {"to": ids[2], "by": 1_000}, key="more")[0] == 409
    assert source["value"] == 1_000
    assert server.call("GET", f"/v1/counters/{ids[1]}")[1]["value"] == 0
    assert server.call("GET", f"/v1/counters/{ids[2]}")[1]["value"] == 2_000


def test_every_accepted_step_of_a_hot_counter_is_stored(server: Server) -> None:
    _, counter = server.call("POST", "/v1/counters", {"name": "hot"})
    answers = run(Job(server.port, "increment", [counter["id"]], callers=16, requests=200, warmup_seconds=0.0))
    assert (answers.accepted, answers.refused) == (200, {})
    assert audit(server, "increment", [counter["id"]], [answers]) is None


def test_a_step_that_was_accepted_and_lost_is_told(server: Server) -> None:
    _, counter = server.call("POST", "/v1/counters", {"name": "lossy"})
    told = audit(server, "increment", [counter["id"]], [Answers(accepted=1, sent=1)])
    assert told == "the counters hold 0, but 1 steps were accepted of 1 sent"


def test_an_unknown_counter_shows_in_the_generators_books(server: Server) -> None:
    unknown = "01890000-0000-7000-8000-000000000001"
    answers = run(Job(server.port, "read", [unknown], callers=2, requests=4, warmup_seconds=0.0))
    assert (answers.accepted, answers.refused) == (0, {"404": 4})


def test_an_open_loop_answers_all_it_sent(server: Server, ids: list[str]) -> None:
    answers = run(Job(server.port, "read", ids, callers=4, rate=200.0, seconds=0.2, warmup_seconds=0.0))
    assert answers.sent == answers.accepted > 0


@pytest.mark.parametrize("target", [FASTAPI, LIMIT], ids=lambda target: target.name)
def test_a_form_is_answered_and_a_wrong_one_refused(target: Target, tmp_path: Path) -> None:
    with Server(target, tmp_path) as echo:
        assert echo.call("POST", "/v1/echo", FORM)[1]["quantity"] == 1
        for wrong in ({"quantity": 1_001}, {"kind": "gold"}, {"name": ""}, {"at": "noon"}, {"price": -1}, {"extra": 1}):
            assert echo.call("POST", "/v1/echo", FORM | wrong)[0] == 422


def test_a_contestant_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="it stopped at once: .*No module named"):
        Server(Target("ours", (LIMIT.command[0], "-m", "bench.nobody")), tmp_path)


@pytest.mark.parametrize(("peer", "found"), [(24.0, 500.0 / 24.0), (20.0, 500.0 / (900.0 * 0.0319))])
def test_a_peer_far_below_its_share_is_taken_at_that(peer: float, found: float) -> None:
    result = Result("read", "", "req/s", [Series("ours", [500.0]), Series("peer", [peer]), Series("limit", [900.0])])
    judge(result, times_peer=10, of_limit=0.6, peer_share=0.0319)
    assert result.claims[0].found == pytest.approx(found)
    assert [claim.holds for claim in result.claims] == [True, False]
    assert any("taken at that" in note for note in result.notes) is (peer == 20.0)


def _steady(name: str, value: float, cpu_us: float) -> Series:
    return Series(name, [value], cpu_us=cpu_us)


@pytest.mark.parametrize(
    ("ours", "again", "told"),
    [
        (_steady("ours", 16_000.0, 59.0), _steady("limit again", 40_000.0, 24.0), []),
        (
            _steady("ours", 4_782.0, 59.0),
            _steady("limit again", 40_000.0, 24.0),
            ["the machine was not quiet: ours had 28% of its core"],
        ),
        (
            _steady("ours", 16_000.0, 59.0),
            _steady("limit again", 50_000.0, 24.0),
            ["the machine was not quiet: the limit differs from itself by 25.0%"],
        ),
    ],
)
def test_a_machine_that_was_not_quiet_voids_the_row(ours: Series, again: Series, told: list[str]) -> None:
    result = Result("read", "", "req/s", [ours, _steady("limit", 40_000.0, 24.0), again])
    judge(result, of_limit=0.5, core_bound=True)
    assert result.void == told
