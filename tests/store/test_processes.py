"""An owner and webs under load, killed and stopped: nothing acknowledged is lost or there twice, and nobody waits for ever."""

import signal
from contextlib import ExitStack
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import msgspec
import pytest

from armature.testing.processes import frozen
from tests.faults.process.checkers import Durable, judge
from tests.faults.process.load import create, driving
from tests.faults.process.server import until
from tests.store.fleet import Part, parts

pytestmark = pytest.mark.slow

KILLS = 3
PLACES = ("commit.begun", "commit.written", "commit.committed", "turn.decided")


def post(web: Part, path: str, body: object) -> tuple[int, dict[str, str], dict[str, object]]:
    request = Request(f"http://127.0.0.1:{web.port}{path}", msgspec.json.encode(body), {"content-type": "application/json"})
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), msgspec.json.decode(answer.read())
    except HTTPError as refused:
        return refused.code, {name.lower(): value for name, value in refused.headers.items()}, msgspec.json.decode(refused.read())


@pytest.mark.parametrize("place", PLACES)
def test_an_owner_killed_there_again_and_again_keeps_its_word_to_every_web(tmp_path: Path, place: str) -> None:
    with parts(tmp_path / "data", 2) as (owner, webs), ExitStack() as stack:
        counters = create(webs[0], 4 if place.startswith("turn.") else 40)
        loads = [
            stack.enter_context(driving(web, tmp_path / f"{n}.jsonl", "steps", counters, clients=6, seed=n))
            for n, web in enumerate(webs)
        ]
        owner.kill()
        for kill in range(KILLS):
            owner.start(crash=f"{place}:{(40, 11, 25)[kill]}")
            until(lambda: owner.dead, f"{place} was not passed")
            assert owner.wait() == -signal.SIGKILL
        owner.start()
        for load in loads:
            load.goes_on(50)
        history = [line for load in loads for line in load.end()]
        until(lambda: all(web.ready for web in webs), "a web needs no restart when its owner comes back")
        assert not any(web.dead for web in webs)
        assert sum(line.what == "info" for line in history) + sum(line.what == "fail" for line in history) > 0
        judge(Durable.read(owner.database), history)


def test_webs_killed_and_stopped_under_load_cost_the_others_nothing(tmp_path: Path) -> None:
    with parts(tmp_path / "data", 3) as (owner, webs), ExitStack() as stack:
        counters = create(webs[0], 3, 1_000)
        loads = [
            stack.enter_context(driving(web, tmp_path / f"{n}.jsonl", "transfers", counters, clients=4, seed=n))
            for n, web in enumerate(webs)
        ]
        for load in loads:
            load.goes_on(20)
        webs[0].kill()
        loads[1].goes_on(50)
        with frozen(webs[1].pid):
            loads[2].goes_on(50)
        webs[0].start()
        for load in loads:
            load.goes_on(50)
        history = [line for load in loads for line in load.end()]
        durable = Durable.read(owner.database)
        judge(durable, history)
        assert sum(value for value, _ in durable.counters.values()) == 3_000
        other = [line for line in history if line.what == "fail" and line.status not in (409, 503)]
        assert not other, f"refused for no reason: {other[:3]}"


def test_what_one_web_has_answered_every_other_reads(tmp_path: Path) -> None:
    with parts(tmp_path / "data", 2) as (_, (one, two)):
        (counter,) = create(one, 1)
        for n in range(1, 101):
            writer, reader = (one, two) if n % 2 else (two, one)
            assert post(writer, f"/v1/counters/{counter}/increment", {"by": 1})[0] == 200
            assert msgspec.json.decode(reader.get(f"/v1/counters/{counter}")[1])["value"] == n


def test_while_the_owner_is_away_a_web_says_so_reads_and_is_well_again_without_a_restart(tmp_path: Path) -> None:
    with parts(tmp_path / "data", 1) as (owner, (web,)):
        (counter,) = create(web, 1)
        owner.kill()
        until(lambda: web.get("/readyz")[0] == 503, "the web does not say that it is not ready")
        assert b"store" in web.get("/readyz")[1]
        assert web.get("/livez")[0] == 200
        assert web.get(f"/v1/counters/{counter}")[0] == 200
        status, headers, problem = post(web, f"/v1/counters/{counter}/increment", {"by": 1})
        assert (status, problem["code"]) == (503, "system:unavailable") and "retry-after" in headers
        assert "store" in str(problem["detail"])
        owner.start()
        until(lambda: web.ready, "the web is not ready again")
        assert post(web, f"/v1/counters/{counter}/increment", {"by": 1})[0] == 200


def test_a_second_owner_is_refused_in_words_and_may_be_started_again(tmp_path: Path) -> None:
    with parts(tmp_path / "data", 0) as (owner, _), Part(tmp_path / "data", "store") as second:
        with pytest.raises(AssertionError, match=f"process {owner.pid} owns the file already"):
            second.start()
        assert second.wait() == 75
        assert owner.ready


def test_an_owner_that_leaves_in_order_leaves_nobody_in_doubt(tmp_path: Path) -> None:
    with parts(tmp_path / "data", 1) as (owner, (web,)):
        counters = create(web, 10)
        with driving(web, tmp_path / "history.jsonl", "steps", counters, clients=6) as load:
            load.goes_on(50)
            for _ in range(2):
                owner.ask_to_leave()
                assert owner.wait() == 0
                owner.start()
                load.goes_on(50)
            history = load.end()
        assert not [line for line in history if line.what == "info"], "an owner that ends in order tells everybody the truth"
        judge(Durable.read(owner.database), history)
