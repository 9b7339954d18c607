"""The roles keep read models up by themselves, survive a database that is away for a while, and let commands steer them."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from uuid import uuid4

from rich.console import Console

from armature.cli.parked import show_parked, watch_retry
from armature.cli.replay import watch_replay
from armature.cli.wishes import wishes_of
from armature.engine.policies import Policies, ProjectionPolicy, RetentionPolicy
from armature.engine.retention import Retention
from armature.engine.trace import Tracer, parse_traceparent
from armature.kernel.refusals import Unavailable
from armature.ports.trace import Span
from armature.runtime.roles.projector import ProjectorRole, ReadModelFollower, traced
from armature.runtime.roles.rhythm import Rhythm
from armature.runtime.roles.sweeper import SweeperRole
from tests.projections.lab import Lab, Lines, Stepped


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Poll a condition; give up only after a time that no machine needs."""
    end = monotonic() + 30
    while not await true():
        assert monotonic() < end, "it never happened"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def projecting(lab: Lab) -> AsyncIterator[ProjectorRole]:
    role = ProjectorRole(lab.shop, lab.models)
    follower = ReadModelFollower(lab.reads, lab.policy.generation_keep_seconds)
    role.start()
    follower.start()
    try:
        yield role
    finally:
        await follower.stop()
        await role.stop()


async def test_a_write_is_followed_after_a_wake_without_waiting_for_the_poll(tmp_path: Path) -> None:
    async with Lab(tmp_path, policy=ProjectionPolicy(poll_seconds=3600)) as lab, projecting(lab) as role:
        await until(lambda: built(lab))
        last = (await lab.walk(5)) and 5
        role.wake()
        generation = await lab.reads.ready("probe.sums", last, monotonic() + 30)
        assert generation.position == 5
        assert role.readiness() == []


async def built(lab: Lab) -> bool:
    return all(lab.reads.current(name) is not None for name in ("probe.lines", "probe.sums"))


async def test_what_another_process_wrote_is_found_by_looking(tmp_path: Path) -> None:
    async with Lab(tmp_path, policy=ProjectionPolicy(poll_seconds=0.01)) as lab, projecting(lab) as role:
        await until(lambda: built(lab))
        async with Lab(tmp_path) as other:
            await other.walk(5)

        async def followed() -> bool:
            return all(one.health().position == 5 for one in role.hosted)

        await until(followed)


async def test_replay_from_the_command_line_ends_with_a_new_live_generation(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab, projecting(lab):
        await until(lambda: built(lab))
        await lab.walk(50)
        out = io.StringIO()
        async with Lab(tmp_path) as elsewhere:
            code = await watch_replay(wishes_of(elsewhere.db), "probe.lines", Console(file=out), 30)
        assert (code, await lab.live(lab.lines)) == (0, 2)
        assert "generation 2 is live" in out.getvalue()


async def test_replay_says_what_it_does_not_know_and_when_nobody_serves(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        wishes = wishes_of(lab.db)
        out = io.StringIO()
        assert await watch_replay(wishes, "probe.lines", Console(file=out), 30) == 2
        assert "start the system once" in out.getvalue()
        await lab.drain()
        out = io.StringIO()
        assert await watch_replay(wishes, "probe.line", Console(file=out), 30) == 2
        assert "known are: probe.lines, probe.sums" in out.getvalue()
        assert await watch_replay(wishes, "probe.lines", Console(file=out), 0.01) == 2
        assert "armature run" in out.getvalue()
        await lab.drain()
        assert await lab.live(lab.lines) == 1, "a wish that was withdrawn must not be granted later"


async def test_parked_streams_are_listed_and_retried_from_the_command_line(tmp_path: Path) -> None:
    ill = uuid4()
    async with Lab(tmp_path) as lab, projecting(lab) as role:
        await until(lambda: built(lab))
        assert await show_parked(wishes_of(lab.db), Console(file=io.StringIO())) == 0
        await lab.tell(Stepped(ill, 13, 1, 1), Stepped(ill, 1, 2, 2))
        role.wake()

        async def one_is_parked() -> bool:
            return role.hosted[0].health().parked == 1

        await until(one_is_parked)
        out = io.StringIO()
        assert await show_parked(wishes_of(lab.db), Console(file=out, width=200)) == 1
        assert "Poisoned: a step by 13" in out.getvalue()
        assert await watch_retry(wishes_of(lab.db), ("probe.lines", ""), Console(file=out), 30) == 1
    async with Lab(tmp_path, lines=Lines(cured=True)) as lab, projecting(lab):
        out = io.StringIO()
        assert await watch_retry(wishes_of(lab.db), ("probe.lines", "no such"), Console(file=out), 30) == 0
        assert "nothing is parked" in out.getvalue()
        assert await watch_retry(wishes_of(lab.db), ("probe.lines", f"probe/{ill}"), Console(file=out), 30) == 0
        assert await lab.rows("select count(*) from probe_lines__1") == [(2,)]


async def test_a_replay_with_poison_in_the_log_says_that_it_waits(tmp_path: Path) -> None:
    async with Lab(tmp_path, lines=Lines(cured=True)) as lab:
        await lab.drain()
        await lab.tell(Stepped(uuid4(), 13, 13, 1))
        await lab.drain()
    async with Lab(tmp_path) as lab, projecting(lab):
        out = io.StringIO()
        assert await watch_replay(wishes_of(lab.db), "probe.lines", Console(file=out, width=300), 30) == 1
        assert "1 of its streams are parked" in out.getvalue()


async def test_a_role_says_why_it_fails_and_recovers(tmp_path: Path) -> None:
    away = True
    steps = 0

    async def step() -> bool:
        nonlocal steps
        steps += 1
        if away:
            raise Unavailable(what="database: disk full")
        return False

    loop = Rhythm("projector x", step, 0.001)
    loop.start()

    async def troubled() -> bool:
        return "disk full" in loop.trouble

    async def well() -> bool:
        return not loop.trouble

    await until(troubled)
    away = False
    await until(well)
    await loop.stop()
    before = steps
    await asyncio.sleep(0)
    assert steps == before


async def test_the_sweeper_does_everything_that_is_due(tmp_path: Path) -> None:
    keep = RetentionPolicy(segment_events=40, log_days=30, sweep_seconds=0.001)
    policies = Policies(retention=keep, projections=ProjectionPolicy(generation_keep_seconds=60))
    async with Lab(tmp_path, retention=keep, policy=policies.projections) as lab:
        await lab.drain()
        await lab.walk(90)
        await lab.requests.ask("replay", "probe.lines")
        await lab.drain()
        lab.clock.forward(days=31)  # type: ignore[attr-defined]
        await lab.reads.announce()
        now = round(lab.clock().timestamp() * 1e6)
        await lab.db.script(f"insert into armature_keys values ('t', x'01', x'', x'', 0, null, {now - 1})")
        retention = Retention(lab.db, keep, lab.clock)
        role = SweeperRole(retention, lab.archive, lab.generations, lab.models, policies)
        role.start()

        async def swept() -> bool:
            counts = await lab.rows(
                "select (select count(*) from armature_keys), (select count(*) from armature_outbox),"
                " (select count(*) from armature_generations where projection = 'probe.lines')"
            )
            return counts == [(0, 10, 1)]

        await until(swept)
        await role.stop()


class Sink:
    """Keeps spans."""

    dropped = 0

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def offer(self, span: Span) -> None:
        self.spans.append(span)

    def close(self, seconds: float) -> bool:
        return True


async def test_a_projection_joins_the_trace_of_the_call_whose_event_it_applies(tmp_path: Path) -> None:
    sink = Sink()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with Lab(tmp_path) as lab:
        await lab.drain()
        await lab.tell(Stepped(uuid4(), 1, 1, 1), Stepped(uuid4(), 1, 1, 1))
        await lab.db.script(f"update armature_outbox set trace = '{trace}' where id = 2")
        assert lab.lines.live is not None
        await lab.lines.live.step(lab.clock(), traced(Tracer(sink)))
    (span,) = sink.spans
    parent = parse_traceparent(trace)
    assert parent is not None
    assert (span.name, span.trace_id, span.parent_id) == ("project probe.lines", parent.trace_id, parent.span_id)
    assert span.attributes == {"armature.position": 2}
    assert span.end_ns > span.start_ns
    assert traced(Tracer(None)) is None
