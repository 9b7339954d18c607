"""Each key of `idempotency` and `commands`, flipped, and what a caller then sees."""

import asyncio
from typing import Any

import apsw
import pytest

from tests.edges.wire import until
from tests.model import probe
from tests.model.effects import Running, Stage, effect_of


@effect_of("idempotency.ttl_seconds", to="60", default="true", flipped=None)
async def test_an_answer_is_replayed_until_its_time_is_over(stage: Stage) -> object:
    async with stage.serving() as running:
        await running.ask("POST /v1/levers", {}, idempotency_key="k")
        stage.clock.move(120)
        return (await running.ask("POST /v1/levers", {}, idempotency_key="k")).headers.get("idempotent-replayed")


@effect_of("idempotency.answer_bytes_max", to="10", default=201, flipped=500)
async def test_an_answer_too_large_to_keep_is_no_answer(stage: Stage) -> object:
    async with stage.serving() as running:
        return (await running.ask("POST /v1/levers", {}, idempotency_key="k")).status


@effect_of("idempotency.retry_after_seconds", to="7", default="1", flipped="7", given={"commands.deadline_seconds": "0.3"})
async def test_a_twin_is_told_when_to_come_again(stage: Stage) -> object:
    async with stage.serving() as running:
        db = locked(running)
        first = asyncio.create_task(running.ask("POST /v1/levers", {}, idempotency_key="k"))
        await until(lambda: running.at.public.running == 1)
        twin = await running.ask("POST /v1/levers", {}, idempotency_key="k")
        unlock(db)
        await first
        assert twin.status == 409
        return twin.headers["retry-after"]


@pytest.mark.slow
@effect_of("commands.deadline_seconds", to="0.1", default=200, flipped=504)
async def test_a_command_ends_at_its_deadline(stage: Stage) -> object:
    async with stage.serving() as running:
        return await late_answer(running, "POST /v1/hold", {"gate": "late"})


@effect_of("commands.reruns_max", to="0", default=200, flipped=503)
async def test_a_command_that_lost_runs_again(stage: Stage) -> object:
    async with stage.serving() as running:
        return await lose(running, await running.lever())


@effect_of("commands.hot_row_seconds", to="0.000001", default=1.0, flipped=None)
async def test_a_row_that_cost_two_conflicts_keeps_its_queue(stage: Stage) -> object:
    async with stage.serving() as running:
        lever = await running.lever()
        await lose(running, lever, "once")
        await lose(running, lever, "twice")
        # Another command is not known to want the row before it has run; in its queue it then runs once more.
        await running.ask(f"POST {lever}/push", {})
        return await running.metric('armature_command_reruns_total{operation="lever.push"}')


@pytest.mark.slow
@effect_of("commands.turn_seconds", to="30", default=503, flipped=200, given={"commands.reruns_max": "1"})
async def test_a_command_that_decides_again_may_hold_the_writer_so_long(stage: Stage) -> object:
    async with stage.serving() as running:
        lever = await running.lever()
        slow = asyncio.create_task(running.ask(f"POST {lever}/pull", {"gate": "first"}))
        await until(lambda: probe.arrived["first"] == 1)
        await running.ask(f"POST {lever}/pull", {})
        probe.shut_after("first")
        await until(lambda: probe.arrived["first"] == 2)
        await running.late()
        probe.open_gate("first")
        return (await slow).status


@effect_of("commands.unit_statements_max", to="3", default=200, flipped=500)
async def test_a_unit_has_so_many_statements(stage: Stage) -> object:
    async with stage.serving() as running:
        return (await running.ask("POST /v1/many", {"count": 5})).status


@effect_of("commands.unit_bytes_max", to="1000", default=200, flipped=500)
async def test_a_unit_has_so_many_bytes(stage: Stage) -> object:
    async with stage.serving() as running:
        return (await running.ask("POST /v1/many", {"count": 1, "letters": 2_000})).status


@effect_of("commands.unit_rows_max", to="2", default=200, flipped=500)
async def test_a_unit_touches_so_many_rows(stage: Stage) -> object:
    async with stage.serving() as running:
        await running.ask("POST /v1/many", {"count": 3})
        return (await running.ask("POST /v1/wipe", {})).status


async def lose(running: Running, lever: str, gate: str = "lose") -> int:
    """Let a command decide on a row that another one changes; return how it ended."""
    slow = asyncio.create_task(running.ask(f"POST {lever}/pull", {"gate": gate}))
    await until(lambda: probe.arrived[gate] == 1)
    await running.ask(f"POST {lever}/pull", {})
    probe.open_gate(gate)
    return (await slow).status


async def late_answer(running: Running, line: str, body: Any = None) -> int:
    """Let a call wait for one second; return its status."""
    call = asyncio.create_task(running.ask(line, body))
    await until(lambda: probe.arrived["late"] == 1)
    await running.late()
    probe.open_gate("late")
    return (await call).status


def locked(running: Running) -> apsw.Connection:
    """Keep everybody else from writing."""
    db = running.outside()
    db.execute("begin immediate")
    return db


def unlock(db: apsw.Connection) -> None:
    """Let everybody write."""
    db.execute("rollback")
    db.close()
