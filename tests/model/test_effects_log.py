"""Each key of `projections` and `retention`, flipped: what is folded, when, and what is kept."""

import asyncio

import pytest

from tests.edges.wire import until
from tests.model.effects import Running, Stage, effect_of

SWEEPING = {"retention.sweep_seconds": "0.02"}


@effect_of("projections.batch_events", to="1", default=False, flipped=True)
async def test_so_many_events_are_folded_in_one_commit(stage: Stage) -> object:
    async with stage.serving() as running:
        return await commits_of(running, times=20, lines=1) >= 20


@effect_of("projections.chunk_rows", to="1", default=False, flipped=True)
async def test_so_many_rows_are_changed_in_one_commit(stage: Stage) -> object:
    async with stage.serving() as running:
        return await commits_of(running, times=1, lines=20) >= 20


@pytest.mark.slow
@effect_of("projections.poll_seconds", to="3600", default="seen", flipped="not seen")
async def test_the_log_is_looked_at_without_a_signal(stage: Stage) -> object:
    async with stage.serving() as running:
        await folded(running, await told(running))
        await running.late()  # nobody is busy with the first one any more
        await told_elsewhere(running)
        clock = asyncio.create_task(running.late())
        await until(lambda: clock.done() or reached(running, 2))
        await clock
        return "seen" if reached(running, 2) else "not seen"


@effect_of("projections.lag_slo_seconds", to="5", default=False, flipped=True)
async def test_a_process_is_not_ready_when_a_read_model_is_too_old(stage: Stage) -> object:
    async with stage.serving() as running:
        await told(running, lines=-1)
        await until_shown(running, "halted")
        stage.clock.move(10)
        return b"behind the log" in (await running.ask("GET /readyz")).body


@pytest.mark.slow
@effect_of("projections.head_check_seconds", to="0.02", default=1.0, flipped=2.0, given={"projections.poll_seconds": "3600"})
async def test_the_head_is_compared_so_often(stage: Stage) -> object:
    async with stage.serving() as running:
        await folded(running, await told(running))
        await running.late()  # nobody is busy with the first one any more
        await told_elsewhere(running)
        await running.late()
        return await running.metric("armature_log_head")


@effect_of("projections.park_after_attempts", to="1", default=[(3,)], flipped=[(1,)], given={"projections.poll_seconds": "0.01"})
async def test_a_stream_is_parked_after_so_many_failures(stage: Stage) -> object:
    async with stage.serving() as running:
        await told(running, lines=-1)
        parked = "select attempts from armature_parked where projection = 'lever.lines'"
        await until(lambda: bool(running.rows(parked)))
        return running.rows(parked)


@effect_of("projections.generation_keep_seconds", to="10", default=[1, 2], flipped=[2], given=SWEEPING)
async def test_a_generation_that_nobody_reads_is_kept_so_long(stage: Stage) -> object:
    async with stage.serving() as running:
        await running.write("insert into armature_requests (kind, subject, asked_at) values ('replay', 'lever.lines', 0)")
        known = "select generation from armature_generations where projection = 'lever.lines'"
        await until(lambda: (2,) in running.rows(f"{known} and state = 'live'"))
        stage.clock.move(60)
        await running.swept()
        return [generation for (generation,) in running.rows(f"{known} order by generation")]


@pytest.mark.slow
@effect_of("retention.sweep_seconds", to="0.02", default="kept", flipped="swept")
async def test_the_sweeper_has_a_rhythm(stage: Stage) -> object:
    async with stage.serving() as running:
        clock, sweep = asyncio.create_task(running.late()), asyncio.create_task(running.swept())
        await asyncio.wait((clock, sweep), return_when=asyncio.FIRST_COMPLETED)
        seen = "swept" if sweep.done() else "kept"
        sweep.cancel()
        await asyncio.wait((clock, sweep))
        return seen


@effect_of("retention.inbox_days", to="1", default=1, flipped=0, given=SWEEPING)
async def test_what_was_handled_is_remembered_so_long(stage: Stage) -> object:
    async with stage.serving() as running:
        at = int(stage.clock.seconds() * 1e6)
        await running.write(f"insert into armature_inbox values ('somebody', x'01', {at})")
        stage.clock.move(3 * 86_400)
        await running.swept()
        return running.rows("select count(*) from armature_inbox")[0][0]


@effect_of("retention.log_days", to="1", default=0, flipped=2, given={**SWEEPING, "retention.segment_events": "2"})
async def test_the_log_is_archived_when_it_is_so_old(stage: Stage) -> object:
    return await segments_after_three_days(stage)


@effect_of("retention.segment_events", to="4", default=0, flipped=1, given={**SWEEPING, "retention.log_days": "1"})
async def test_so_many_events_are_one_file_of_the_archive(stage: Stage) -> object:
    return await segments_after_three_days(stage)


async def segments_after_three_days(stage: Stage) -> int:
    async with stage.serving() as running:
        await folded(running, await told(running, times=5))
        stage.clock.move(3 * 86_400)
        await running.swept()
        (rows,) = running.rows("select count(*) from armature_segments")
        assert len(list(running.model.archive_path.glob("*"))) == rows[0]
        return int(rows[0])


async def commits_of(running: Running, times: int, lines: int) -> float:
    """Tell of pulls, wait until both read models have folded them, and return how many commits it took."""
    before = await running.metric("armature_commits_total") or 0.0
    await folded(running, await told(running, times, lines))
    return (await running.metric("armature_commits_total") or 0.0) - before


async def told(running: Running, times: int = 1, lines: int = 1) -> int:
    await running.ask("POST /v1/tell", {"times": times, "lines": lines})
    return times


async def told_elsewhere(running: Running) -> None:
    """Tell of one more pull, as another process would."""
    columns = "schema, tenant_id, payload, correlation_id, causation_id, actor, partition, occurred_at, type"
    await running.write(
        f"insert into armature_outbox (event_id, stream, {columns})"
        f" select randomblob(16), 'lever/other', {columns} from armature_outbox"
    )


async def folded(running: Running, position: int) -> None:
    await until(lambda: reached(running, position))


def reached(running: Running, position: int) -> bool:
    rows = running.rows(
        "select min(c.position) from armature_checkpoints c join armature_generations g using (projection, generation)"
        " where g.state = 'live'"
    )
    return bool(rows[0][0] == position)


async def until_shown(running: Running, words: str) -> None:
    while words.encode() not in (await running.ask("GET /readyz")).body:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
