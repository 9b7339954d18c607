"""A projection that falls behind, halts, or reads a head that no longer moves is found by somebody else than itself."""

from pathlib import Path
from uuid import uuid4

import apsw
import pytest

from armature.engine.event_log import EventLog, Logged
from armature.engine.log_watch import LogWatch
from armature.engine.policies import ProjectionPolicy
from tests.projections.lab import Lab, Lines, Stepped, Sums


def watch(lab: Lab) -> LogWatch:
    return LogWatch(lab.log, [lab.lines, lab.sums], lab.policy, lab.clock)


async def test_lag_is_the_age_of_the_oldest_event_not_applied_and_ends_when_it_is(tmp_path: Path) -> None:
    async with Lab(tmp_path, policy=ProjectionPolicy(lag_slo_seconds=30)) as lab:
        await lab.drain()
        seen = watch(lab)
        await lab.walk(10)
        lab.clock.forward(seconds=29)
        await seen.check()
        assert seen.readiness() == []
        lab.clock.forward(seconds=2)
        assert seen.states()["probe.sums"].lag_seconds == 31
        assert "probe.lines: 31 s behind the log, allowed are 30 s" in seen.readiness()
        await lab.drain(lab.lines)
        assert [reason.partition(":")[0] for reason in seen.readiness()] == ["probe.sums"]
        await lab.drain(lab.sums)
        assert seen.readiness() == []
        assert seen.states()["probe.lines"].position == 10
        assert seen.head() == 10


async def test_a_read_model_may_ask_to_be_fresher_than_the_platform_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lines, "lag_slo_seconds", 5.0)
    async with Lab(tmp_path, policy=ProjectionPolicy(lag_slo_seconds=30)) as lab:
        await lab.drain()
        seen = watch(lab)
        await lab.walk(1)
        lab.clock.forward(seconds=6)
        await seen.check()
        assert seen.readiness() == ["probe.lines: 6 s behind the log, allowed are 5 s"]


async def test_a_read_model_that_is_still_built_shows_until_it_can_be_read(tmp_path: Path) -> None:
    async with Lab(tmp_path, policy=ProjectionPolicy(batch_events=10, chunk_rows=10)) as lab:
        await lab.walk(30)
        seen = watch(lab)
        await lab.sums.step()
        await seen.check()
        assert "probe.sums: the read model is being built, 10 events so far" in seen.readiness()
        await lab.drain()
        assert seen.readiness() == []
        assert seen.head() == 30


class Frozen(EventLog):
    """Reads a state of the log that no longer moves, as a connection with a forgotten transaction does."""

    at = 10**9

    async def after(self, position: int, limit: int) -> list[Logged]:
        return [event for event in await super().after(position, limit) if event.position <= self.at]


async def test_a_frozen_head_is_found_although_the_projector_sees_no_work(tmp_path: Path) -> None:
    async with Lab(tmp_path, policy=ProjectionPolicy(lag_slo_seconds=10**6)) as lab:
        log = Frozen(lab.db, lab.archive_folder)
        await lab.drain()
        assert lab.lines.live is not None
        lab.lines.live._log = log
        seen = watch(lab)
        await lab.walk(10)
        await lab.drain()
        await seen.check()
        log.at = 10
        await lab.walk(10)
        await lab.drain()
        await seen.check()
        assert seen.readiness() == [], "the head was there only at the second look: it may just be late"
        await lab.drain()
        await seen.check()
        (reason,) = seen.readiness()
        assert reason.startswith("probe.lines: log head frozen")
        log.at = 10**9
        await lab.drain()
        await seen.check()
        assert seen.readiness() == []


async def test_steady_writes_are_no_frozen_head(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        seen = watch(lab)
        for _ in range(4):
            await lab.walk(10)
            await lab.drain()
            await lab.walk(10)
            await seen.check()
            assert seen.readiness() == []


async def test_halted_and_parked_show(tmp_path: Path) -> None:
    async with Lab(tmp_path, sums=Sums(cured=False)) as lab:
        await lab.drain()
        seen = watch(lab)
        await lab.tell(Stepped(uuid4(), 13, 1, 1))
        for _ in range(5):
            await lab.drain()
        await seen.check()
        assert seen.readiness()[0].startswith("probe.sums: halted: event 1 (probe.stepped)")
        assert seen.states()["probe.lines"].parked_streams == 1
        assert seen.states()["probe.sums"].parked_streams == 0


async def test_a_read_model_that_is_ahead_of_the_log_halts_by_name_and_for_good(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.walk(10)
        await lab.drain()
        seen = watch(lab)
        outside = apsw.Connection(str(lab.path))
        outside.set_busy_timeout(5_000)
        outside.execute("begin immediate; delete from armature_outbox where id > 4; update sqlite_sequence set seq = 4; commit")
        await lab.drain()
        await seen.check()
        (lines, sums) = seen.readiness()
        words = "its checkpoint 10 is ahead of the log, which ends at 4"
        assert lines.startswith(f"probe.lines: halted: projection probe.lines: {words}")
        assert sums.startswith(f"probe.sums: halted: projection probe.sums: {words}")
        # The log grows past the checkpoint: events 5 to 10 are new ones, and would be passed over.
        await lab.walk(20)
        await lab.drain()
        await seen.check()
        assert [reason for reason in seen.readiness() if words in reason] == [lines, sums]
        assert await lab.rows("select distinct position from armature_checkpoints") == [(10,)]
