"""Each key of `observe`, flipped, in the lines of a real process and at a real collector."""

import asyncio
import json
from pathlib import Path
from time import monotonic

import pytest

from armature.testing.server import RunningServer
from tests.edges.wire import until
from tests.model.effects import LEVERS, REPOSITORY, Running, Stage, effect_of
from tests.telemetry.collector import collecting

_PAUSE_SECONDS = 9.9
"""The default between two questions, and what a clock may be wrong by."""


@pytest.mark.slow
@effect_of("observe.log_format", to="text", default=True, flipped=False)
async def test_lines_are_data_outside_a_terminal(stage: Stage) -> object:
    line = await asyncio.to_thread(line_about, stage, "/nowhere")
    return line.startswith("{") and json.loads(line)["status"] == 404


@pytest.mark.slow
@effect_of("observe.log_level", to="error", default=True, flipped=False)
async def test_less_important_lines_are_left_out(stage: Stage) -> object:
    return bool(await asyncio.to_thread(line_about, stage, "/nowhere"))


@pytest.mark.slow
@effect_of("observe.access_log", to="all", default=False, flipped=True)
async def test_requests_that_went_well_have_a_line(stage: Stage) -> object:
    return bool(await asyncio.to_thread(line_about, stage, "/v1/open"))


@effect_of("observe.otlp_endpoint", to="http://127.0.0.1:1", default="none", flipped="all of one trace")
async def test_spans_are_sent_to_a_collector(stage: Stage) -> object:
    with collecting() as collector:
        if "ARMATURE_OBSERVE__OTLP_ENDPOINT" in stage.environ:
            stage.environ["ARMATURE_OBSERVE__OTLP_ENDPOINT"] = collector.address
        await tell(stage)
        if not collector.requests:
            return "none"
        request, commit = collector.spans["POST /v1/tell"], collector.spans["commit"]
        folds = [collector.spans[f"project lever.{name}"] for name in ("lines", "strict")]
        traces = {span.trace_id for span in (request, commit, *folds)}
        return "all of one trace" if len(traces) == 1 and commit.parent_span_id == request.span_id else "strangers"


@effect_of("observe.trace_ratio", to="0", default=True, flipped=False)
async def test_a_share_of_the_traces_is_sent(stage: Stage) -> object:
    with collecting() as collector:
        stage.environ["ARMATURE_OBSERVE__OTLP_ENDPOINT"] = collector.address
        await tell(stage)
        return bool(collector.requests)


async def tell(stage: Stage) -> None:
    """Let an event be recorded and folded; whatever is to be sent has been sent when this returns."""
    async with stage.serving() as running:
        await running.ask("POST /v1/tell", {})
        await until(lambda: folded(running))


def folded(running: Running) -> bool:
    """Whether both read models have it, and have said so: the next look at their checkpoints is a step later."""
    return running.rows("select count(*) from armature_checkpoints where position = 1") == [(2,)]


def line_about(stage: Stage, path: str) -> str:
    """Ask a process of its own for a path; return the line of its log that names it, empty when it says nothing."""
    environ = {**stage.environ, "PYTHONPATH": str(REPOSITORY)}
    with RunningServer(LEVERS, data=stage.data, environ=environ) as server:
        server.get(path)
        server.get("/v1/bug")  # its line comes later and always
        server.sigterm()
        assert "the words of a bug" in server.log
        return next((line for line in server.log.splitlines() if f"GET {path}" in line), "")


@pytest.mark.slow
async def test_the_caller_behind_a_proxy_of_ours_stands_in_the_line(tmp_path: Path) -> None:
    environ = {"ARMATURE_HTTP__TRUSTED_PROXIES": "127.0.0.1", "PYTHONPATH": str(REPOSITORY)}

    def line() -> str:
        with RunningServer(LEVERS, data=tmp_path, environ=environ) as server:
            server.request("GET", "/nowhere", headers={"X-Forwarded-For": "198.51.100.7, 203.0.113.9"})
            server.sigterm()
            return next(line for line in server.log.splitlines() if "/nowhere" in line)

    assert json.loads(await asyncio.to_thread(line))["client"] == "203.0.113.9"


@pytest.mark.slow
@effect_of("observe.dependency_seconds", to="0.05", default="asked no sooner", flipped="asked sooner")
async def test_a_server_is_asked_so_often_whether_it_is_there(stage: Stage) -> object:
    """A question that is answered well is followed by the next one no sooner than the pause: so much holds under any load. A
    pause that is short shows itself as soon as the machine lets it, in the first round or in the second."""
    began = monotonic()
    async with stage.serving() as running:
        for last in (False, True):
            await running.write("alter table armature_log rename to armature_gone")
            await answers(running, 503)
            if monotonic() - began < _PAUSE_SECONDS:
                return "asked sooner"
            if last:
                return "asked no sooner"
            began = monotonic()
            await running.write("alter table armature_gone rename to armature_log")
            await answers(running, 200)
    raise AssertionError("neither")


async def answers(running: Running, status: int) -> None:
    while (await running.ask("GET /readyz")).status != status:  # noqa: ASYNC110  (readiness is asked, nobody announces it)
        await asyncio.sleep(0.02)  # a look costs the machine something, and there are seconds of them


@pytest.mark.slow
async def test_what_is_away_is_said_by_readiness_and_a_gauge_and_is_seen_to_return(tmp_path: Path) -> None:
    async with Stage({"ARMATURE_OBSERVE__DEPENDENCY_SECONDS": "0.05"}, tmp_path).serving() as running:
        assert await running.metric('armature_dependency_up{dependency="database"}') == 1
        await running.write("alter table armature_log rename to armature_gone")
        while (ready := await running.ask("GET /readyz")).status != 503:
            pass
        assert b"database: " in ready.body
        assert await running.metric('armature_dependency_up{dependency="database"}') == 0
        assert (await running.ask("GET /livez")).status == 200
        await running.write("alter table armature_gone rename to armature_log")
        while (await running.ask("GET /readyz")).status != 200:
            pass
