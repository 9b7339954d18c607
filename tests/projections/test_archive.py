"""The old log moves to files, whole, and is read from there; a hole is named and never stepped over."""

import zlib
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armature.engine.policies import ProjectionPolicy, RetentionPolicy
from armature.engine.segments import ArchiveHole, SegmentFile, read_lines
from tests.projections.lab import Clock, Lab, Line

KEEP = RetentionPolicy(segment_events=40, log_days=30)


async def filled(lab: Lab, events: int = 205) -> None:
    """Write, fold, and let everything become old."""
    await lab.drain()
    await lab.walk(events)
    await lab.drain()
    lab.clock.forward(days=31)  # type: ignore[attr-defined]
    await lab.reads.poll()
    await lab.reads.announce()


async def test_trim_and_replay_give_the_same_hash(tmp_path: Path) -> None:
    async with Lab(tmp_path, retention=KEEP, policy=ProjectionPolicy(batch_events=33, chunk_rows=20)) as lab:
        await filled(lab)
        before = {one: await lab.dump(one) for one in (lab.lines, lab.sums)}
        assert await lab.archive.run() == 5
        assert await lab.rows("select min(id), max(id), count(*) from armature_outbox") == [(201, 205, 5)]
        for one in (lab.lines, lab.sums):
            await lab.requests.ask("replay", one.model.name)
        await lab.drain()
        for one in (lab.lines, lab.sums):
            assert await lab.live(one) == 2
            assert await lab.dump(one) == before[one]


async def test_a_new_projection_begins_in_the_archive(tmp_path: Path) -> None:
    async with Lab(tmp_path, retention=KEEP) as lab:
        await filled(lab, 200)
        await lab.archive.run()
        assert await lab.rows("select count(*) from armature_outbox") == [(0,)]
        assert await lab.log.head() == 200
        await lab.db.script("delete from armature_generations; delete from armature_checkpoints; drop table probe_lines__1")
    async with Lab(tmp_path, retention=KEEP) as lab:
        await lab.drain(lab.lines)
        assert await lab.rows("select count(*) from probe_lines__1") == [(200,)]


async def test_a_position_is_never_used_again_after_everything_was_archived(tmp_path: Path) -> None:
    async with Lab(tmp_path, retention=KEEP) as lab:
        await filled(lab, 200)
        await lab.archive.run()
    async with Lab(tmp_path, retention=KEEP) as lab:
        await lab.walk(1)
        assert await lab.rows("select id from armature_outbox") == [(201,)]
        await lab.drain()
        assert lab.lines.health().position == 201


@pytest.mark.parametrize("harm", ["missing", "altered", "rewritten", "shortened", "row"])
async def test_a_replay_over_a_hole_refuses_and_names_the_first_missing_position(tmp_path: Path, harm: str) -> None:
    async with Lab(tmp_path, retention=KEEP) as lab:
        await filled(lab)
        await lab.archive.run()
        before = await lab.dump(lab.lines)
    second = sorted((tmp_path / "archive").iterdir())[1]
    async with Lab(tmp_path, retention=KEEP) as lab:
        match harm:
            case "missing":
                second.unlink()
            case "altered":
                raw = bytearray(second.read_bytes())
                raw[len(raw) // 2] ^= 1
                second.write_bytes(raw)
            case "rewritten":
                # Well formed and complete, only not what was recorded.
                head, _, body = second.read_bytes().partition(b"\n")
                second.write_bytes(head + b"\n" + zlib.compress(zlib.decompress(body).replace(b'\\"by\\":1', b'\\"by\\":2', 1)))
            case "shortened":
                second.write_bytes(second.read_bytes()[:200])
            case _:
                await lab.db.script("delete from armature_segments where first_id = 41")
        wish = await lab.requests.ask("replay", "probe.lines")
        await lab.drain()
        state, detail = await lab.state(wish)
        assert state == "refused"
        assert "missing position 41:" in detail
        assert await lab.live(lab.lines) == 1
        assert await lab.dump(lab.lines) == before
        await lab.walk(3)
        await lab.drain()
        assert lab.lines.health().position == 208, "the live generation must go on"


async def test_an_event_that_vanished_from_the_table_stops_the_projector_there(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        await lab.walk(20)
        await lab.db.script("delete from armature_outbox where id = 11")
        await lab.drain()
        health = lab.lines.health()
        assert health.position == 10
        assert "missing position 11:" in health.halted


async def test_nothing_is_archived_that_is_young_or_not_applied_or_in_an_open_segment(tmp_path: Path) -> None:
    async with Lab(tmp_path, retention=KEEP) as lab:
        await lab.drain()
        await lab.walk(100)
        await lab.drain()
        assert await lab.archive.run() == 0
        lab.clock.forward(days=31)  # type: ignore[attr-defined]
        await lab.walk(30)
        await lab.reads.poll()
        await lab.reads.announce()
        assert await lab.archive.run() == 2
        lab.clock.forward(days=31)  # type: ignore[attr-defined]
        await lab.reads.announce()
        assert await lab.archive.run() == 0, "100 of 130 are applied, the third segment ends at 120"
        await lab.drain()
        assert await lab.archive.run() == 1
        assert await lab.archive.run() == 0
        assert await lab.rows("select min(id), max(id) from armature_outbox") == [(121, 130)]


async def test_an_archive_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    async with Lab(tmp_path, retention=KEEP) as lab:
        await filled(lab)
        # As a kill between recording and trimming leaves it, with a draft of a dead process beside it.
        await lab.archive._write(0, 40)
        (tmp_path / "archive" / "x.segment.999999999.draft").write_bytes(b"half")
        assert await lab.archive.run() == 5
        assert sorted(file.suffix for file in (tmp_path / "archive").iterdir()) == [".segment"] * 5
        rows = await lab.rows("select first_id, last_id, events from armature_segments")
        assert rows == [(n, n + 39, 40) for n in range(1, 200, 40)]


async def test_rolled_back_inserts_leave_no_hole(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.walk(3)
        with pytest.raises(Exception):  # noqa: B017, PT011
            await lab.db.script(
                "insert into armature_outbox select null, randomblob(16), type, schema, tenant_id, stream || 'x', 1, payload,"
                " '', '', null, actor, null, 0, 0 from armature_outbox limit 2; select no_such_function()"
            )
        await lab.walk(2)
        assert await lab.rows("select id from armature_outbox") == [(1,), (2,), (3,), (4,), (5,)]


async def test_two_sweepers_write_one_archive(tmp_path: Path) -> None:
    clock = Clock()
    async with Lab(tmp_path, retention=KEEP, clock=clock) as one, Lab(tmp_path, retention=KEEP, clock=clock) as other:
        await filled(one)
        first = await one.archive._write(0, 40)
        second = await other.archive._write(0, 40)
        assert first == second
        await one.archive.run()
        await other.archive.run()
        assert await one.rows("select count(*), sum(events) from armature_segments") == [(5, 200)]


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=30))
def test_a_segment_gives_back_what_went_in(tmp_path_factory: pytest.TempPathFactory, texts: list[int]) -> None:
    folder = tmp_path_factory.mktemp("segments")
    file = SegmentFile(folder, 1, len(texts))
    file.add(Line(n, value) for n, value in enumerate(texts))
    segment = file.close()
    assert read_lines(folder, segment, 1) == [b'{"version":%d,"value":%d}' % at for at in enumerate(texts)]
    (folder / segment.file).write_bytes(b"")
    with pytest.raises(ArchiveHole, match="position 1:"):
        read_lines(folder, segment, 1)


async def test_the_age_that_counts_is_the_youngest_of_a_segment(tmp_path: Path) -> None:
    async with Lab(tmp_path, retention=KEEP) as lab:
        await lab.drain()
        await lab.walk(39)
        lab.clock.forward(days=29)  # type: ignore[attr-defined]
        await lab.walk(5)
        await lab.drain()
        lab.clock.forward(days=2)  # type: ignore[attr-defined]
        await lab.reads.poll()
        await lab.reads.announce()
        assert await lab.archive.run() == 0
        lab.clock.at += timedelta(days=29)  # type: ignore[attr-defined]
        await lab.reads.announce()
        assert await lab.archive.run() == 1
