"""A generation moves along the log: everything once, in order, and its checkpoint with it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from armature import Fold, Projection, change, on
from armature.engine.event_log import Logged
from armature.engine.folding import Folding, FoldMisuse
from armature.engine.policies import ProjectionPolicy
from armature.engine.projector import Outcome
from tests.projections.lab import ADD_LINE, Lab, Split, Stepped


async def test_the_first_start_builds_generation_one_and_makes_it_live(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        assert await lab.rows("select projection, generation, state from armature_generations") == [
            ("probe.lines", 1, "live"),
            ("probe.sums", 1, "live"),
        ]


async def test_events_reach_every_read_model_once_and_the_checkpoint_says_so(tmp_path: Path) -> None:
    async with Lab(tmp_path, policy=ProjectionPolicy(batch_events=7, chunk_rows=3)) as lab:
        await lab.drain()
        await lab.walk(100, probes=4)
        await lab.drain()
        assert await lab.rows("select count(*), sum(value) from probe_lines__1") == [(100, 4 * 325)]
        assert await lab.rows("select value, steps from probe_sums__1") == [(100, 100)]
        assert await lab.rows("select position, part from armature_checkpoints") == [(100, 0), (100, 0)]


async def test_a_second_start_goes_on_where_the_first_stopped(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        await lab.walk(20)
        await lab.drain()
    async with Lab(tmp_path) as lab:
        await lab.walk(20)
        await lab.drain()
        assert await lab.rows("select count(*) from probe_lines__1") == [(40,)]
        assert await lab.rows("select count(*) from armature_generations") == [(2,)]


async def test_an_event_larger_than_a_commit_is_applied_in_parts_and_resumed_in_its_middle(tmp_path: Path) -> None:
    policy = ProjectionPolicy(chunk_rows=10)
    async with Lab(tmp_path, policy=policy) as lab:
        await lab.drain()
        await lab.tell(Stepped(uuid4(), 1, 1, 1), Split(uuid4(), 35, 1), Stepped(uuid4(), 1, 1, 1))
        await lab.lines.step()
        await lab.lines.step()
        assert await lab.rows("select position, part from armature_checkpoints where projection = 'probe.lines'") == [(1, 10)]
    async with Lab(tmp_path, policy=policy) as lab:
        await lab.drain()
        assert await lab.rows("select count(*) from probe_lines__1") == [(37,)]
        assert await lab.rows("select position, part from armature_checkpoints where projection = 'probe.lines'") == [(3, 0)]


async def test_two_projectors_of_one_file_apply_each_event_once(tmp_path: Path) -> None:
    async with Lab(tmp_path, policy=ProjectionPolicy(batch_events=10)) as one, Lab(tmp_path, policy=one.policy) as other:
        await one.drain()
        await other.drain()
        await one.walk(300)
        # The sums, because no key of theirs would refuse an event that is applied twice.
        live = [one.sums.live, other.sums.live]
        outcomes = [await asyncio.gather(*(one.step(one.row.announced_at) for one in live if one)) for _ in range(80)]
        assert await one.rows("select value, steps from probe_sums__1") == [(300, 300)]
        assert any(Outcome.LOST in pair for pair in outcomes), "they never met: the test proves nothing"


async def test_fields_that_a_later_release_adds_are_ignored(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        event = Stepped(uuid4(), 1, 5, 1)
        row = lab._row(event, "public")
        payload = msgspec.json.encode(msgspec.to_builtins(event) | {"colour": "red"})
        await lab.tell(event)
        await lab.db.script(f"update armature_outbox set payload = '{payload.decode()}'")
        await lab.tell(Split(uuid4(), 0, 1))
        await lab.drain()
        assert row.type == "probe.stepped"
        assert await lab.rows("select value from probe_lines__1") == [(5,)]


async def test_event_types_nobody_folds_are_passed(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        await lab.tell(Split(uuid4(), 3, 1))
        await lab.drain()
        assert await lab.rows("select position from armature_checkpoints where projection = 'probe.sums'") == [(1,)]


async def test_a_batch_is_told_after_its_commit_with_the_events_it_finished(tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []

    def hear(name: str, events: Sequence[Logged], started: int, ended: int) -> None:
        told.append((name, len(events)))
        assert started <= ended

    async with Lab(tmp_path) as lab:
        await lab.drain()
        await lab.walk(30)
        assert lab.lines.live is not None
        assert await lab.lines.live.step(lab.clock(), hear) is Outcome.MOVED
        assert told == [("probe.lines", 30)]


OTHER_TENANT = change("insert into probe_lines (tenant_id) values (:tenant_id)")


class Burglar(Projection, name="probe.burglar", version=1, tables="x.sql"):
    """Tries to write on the other side of the wall between tenants."""

    @on(Stepped)
    def stepped(self, fold: Fold, event: Stepped) -> None:
        fold.plan(OTHER_TENANT, event, tenant_id="somebody else")


class Unfinished(Projection, name="probe.unfinished", version=1, tables="x.sql"):
    """Asks for a name nobody has."""

    @on(Split)
    def split(self, fold: Fold, event: Split) -> None:
        fold.plan(ADD_LINE, event)


ADD_SEEN = change("insert into probe_seen (id, at, value) values (:event_id, :occurred_at, :value)")


class Seen(Projection, name="probe.seen", version=1, tables="x.sql"):
    """Keeps id and time of an event."""

    @on(Stepped)
    def stepped(self, fold: Fold, event: Stepped) -> None:
        fold.plan(ADD_SEEN, event)


def logged(event: Stepped | Split, kind: str) -> Logged:
    return Logged("t", 1, uuid4().bytes, "probe/1", 1, 0, "a", kind, msgspec.json.encode(event).decode())


@pytest.mark.parametrize(
    ("projection", "event", "kind", "word"),
    [
        (Burglar(), Stepped(uuid4(), 1, 1, 1), "probe.stepped", "'tenant_id' is no parameter"),
        (Unfinished(), Split(uuid4(), 1, 1), "probe.split", ":value was given neither"),
    ],
)
def test_a_fold_that_binds_wrongly_is_poison_with_the_statement_named(
    projection: Projection, event: Stepped | Split, kind: str, word: str
) -> None:
    chunk = Folding(projection, lambda one: one).chunk([logged(event, kind)], 0, (), 10)
    assert chunk.failed is not None
    assert word in chunk.reason
    assert ".py:" in chunk.reason


def test_what_the_log_keeps_is_bound_as_it_is_where_the_database_takes_it() -> None:
    event = logged(Stepped(uuid4(), 1, 1, 1), "probe.stepped")
    plain, kept = (Folding(Seen(), lambda one: one, as_kept=how).chunk([event], 0, (), 10).writes for how in (False, True))
    assert plain == [(ADD_SEEN, (event.event_id, event.occurred_at, 1))]
    assert kept == [(ADD_SEEN, (event.event_key, event.at_micros, 1))]


def test_a_projection_that_folds_nothing_is_refused() -> None:
    class Deaf(Projection, name="probe.deaf", version=1, tables="x.sql"):
        """Hears nothing."""

    with pytest.raises(FoldMisuse, match="@on"):
        Folding(Deaf(), lambda one: one)
