"""A replay builds beside the live generation, misses nothing that is written meanwhile, and takes its place at once."""

import asyncio
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest

from armature import Projection, on, select
from armature.engine.generations import Model
from armature.engine.policies import ProjectionPolicy
from armature.engine.read_models import ReadModels
from armature.kernel.refusals import ProjectionBuilding
from tests.edges.wire import until
from tests.projections.lab import LINES, LINES_DDL, SUM, SUMS_DDL, Lab, Lines, Stepped, Sum, Sums

SMALL = ProjectionPolicy(batch_events=20, chunk_rows=20)


async def test_a_fold_from_empty_is_the_live_read_model_also_while_writes_go_on(tmp_path: Path) -> None:
    async with Lab(tmp_path, policy=SMALL) as lab:
        await lab.drain()
        await lab.walk(400)
        await lab.drain()
        before = {one: await lab.dump(one) for one in (lab.lines, lab.sums)}
        wish = await lab.requests.ask("replay", "probe.lines")
        other = await lab.requests.ask("replay", "probe.sums")
        assert await lab.live(lab.lines) == 1

        await lab.lines.look()
        await lab.sums.look()
        for _ in range(10):
            await lab.walk(20)
            await lab.lines.step()
            await lab.sums.step()
        await lab.drain()
        assert await lab.state(wish) == ("done", "generation 2 is live")
        assert await lab.state(other) == ("done", "generation 2 is live")
        for one in (lab.lines, lab.sums):
            assert await lab.live(one) == 2
            assert await lab.dump(one, 2) != before[one], "nothing was written meanwhile: the test proves nothing"
        assert await lab.rows("select count(*) from probe_lines__2") == [(600,)]
        assert await lab.rows("select value, steps from probe_sums__2") == [(600, 600)]

        await lab.requests.ask("replay", "probe.lines")
        await lab.requests.ask("replay", "probe.sums")
        await lab.drain()
        for one in (lab.lines, lab.sums):
            assert await lab.dump(one, 3) == await lab.dump(one, 2)


async def test_readers_never_see_two_generations_in_one_query_nor_go_back(tmp_path: Path) -> None:
    async with Lab(tmp_path, policy=SMALL) as lab:
        await lab.drain()
        await lab.walk(200)
        await lab.drain()
        seen: list[tuple[int, int]] = []
        done = asyncio.Event()

        async def read() -> None:
            while not done.is_set():
                generation = await lab.reads.ready("probe.sums", None, monotonic() + 5)
                (rows,) = await lab.db.read(((generation.statement(SUM), ("public",)),))
                assert isinstance(rows[0], Sum)
                # The generation's number is in its rows, below: what is read must be of the generation that was resolved.
                mark = rows[0].value // 1_000_000
                assert mark == generation.number - 1
                seen.append((generation.number, rows[0].steps))
                await asyncio.sleep(0)

        reader = asyncio.create_task(read())
        await until(lambda: reader.done() or len(seen) > 0)
        for number in range(2, 6):
            await lab.requests.ask("replay", "probe.sums")
            await lab.sums.look()
            building = lab.sums.building
            assert building is not None
            assert building.row.generation == number
            while lab.sums.building is not None:
                await lab.walk(10)
                # Marked before it can become live: the first row is there after the first step.
                await lab.sums.step()
                await lab.db.script(
                    f"update probe_sums__{number} set value = value + {number - 1} * 1000000 where value < 1000000"
                )
        await until(lambda: reader.done() or seen[-1][0] == 5)
        done.set()
        await reader
        assert {number for number, _ in seen} >= {1, 5}
        assert [number for number, _ in seen] == sorted(number for number, _ in seen)
        assert [steps for _, steps in seen] == sorted(steps for _, steps in seen)


async def test_a_query_keeps_the_generation_it_began_with(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        ids = await lab.walk(10, probes=1)
        await lab.drain()
        held = await lab.reads.ready("probe.lines", None, monotonic() + 5)
        await lab.requests.ask("replay", "probe.lines")
        await lab.drain()
        assert (await lab.reads.ready("probe.lines", None, monotonic() + 5)).number == 2
        (rows,) = await lab.db.read(((held.statement(LINES), ("public", ids[0])),))
        assert len(rows) == 10


async def test_another_process_learns_of_a_swap(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab, Lab(tmp_path) as web:
        with pytest.raises(ProjectionBuilding):
            await web.reads.ready("probe.sums", None, monotonic() + 5)
        await lab.drain()
        await web.reads.poll()
        assert (await web.reads.ready("probe.sums", None, monotonic() + 5)).number == 1
        await lab.requests.ask("replay", "probe.sums")
        await lab.drain()
        await web.reads.poll()
        assert (await web.reads.ready("probe.sums", None, monotonic() + 5)).number == 2


class NewSums(Sums, name="probe.sums", version=2, tables="sums.sql", order="tenant"):
    """The next release counts differently."""

    @on(Stepped)
    def stepped(self, fold, event) -> None:  # type: ignore[no-untyped-def]
        super().stepped(fold, event)


async def test_two_releases_read_their_own_generations_side_by_side(tmp_path: Path) -> None:
    async with Lab(tmp_path) as old, Lab(tmp_path, sums=NewSums()) as new:
        await old.drain()
        await old.walk(30)
        await old.drain()
        await new.drain(new.sums)
        await new.walk(10)
        await old.drain()
        await new.drain(new.sums)
        await old.reads.poll()
        await new.reads.poll()
        soon = monotonic() + 5
        assert (
            (await old.reads.ready("probe.sums", None, soon)).number,
            (await new.reads.ready("probe.sums", None, soon)).number,
        ) == (1, 2)
        assert await old.rows("select value from probe_sums__1") == await old.rows("select value from probe_sums__2") == [(40,)]


async def test_what_nobody_announces_any_more_is_dropped_with_its_tables(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        await lab.requests.ask("replay", "probe.lines")
        await lab.drain()
        model = lab.lines.model
        assert await lab.generations.drop_forgotten(model, 600) == []
        lab.clock.forward(seconds=590)
        await lab.generations.announce("probe.lines", 1)
        lab.clock.forward(seconds=590)
        assert await lab.generations.drop_forgotten(model, 600) == []
        lab.clock.forward(seconds=20)
        assert await lab.generations.drop_forgotten(model, 600) == [1]
        assert await lab.rows(
            "select name from sqlite_master where name like 'probe_lines\\_\\_%' escape '\\' and type = 'table'"
        ) == [("probe_lines__2",)]


async def test_what_another_release_builds_for_long_is_not_dropped_meanwhile(tmp_path: Path) -> None:
    async with Lab(tmp_path) as old, Lab(tmp_path, sums=NewSums(), clock=old.clock) as new:
        await old.drain()
        await old.walk(10)
        await new.sums.look()
        assert new.sums.building is not None
        old.clock.forward(seconds=700)  # type: ignore[attr-defined]
        new.sums._announce_at = 0
        await new.sums.look()
        assert await old.generations.drop_forgotten(old.sums.model, 600) == []
        old.clock.forward(seconds=700)  # type: ignore[attr-defined]
        assert await old.generations.drop_forgotten(old.sums.model, 600) == [2]


async def test_a_generation_with_parked_streams_does_not_become_live(tmp_path: Path) -> None:
    async with Lab(tmp_path, lines=Lines(cured=True)) as lab:
        await lab.drain()
        await lab.tell(Stepped(uuid4(), 13, 13, 1), Stepped(uuid4(), 1, 1, 1))
        await lab.drain()
    async with Lab(tmp_path) as lab:
        wish = await lab.requests.ask("replay", "probe.lines")
        await lab.drain()
        assert (await lab.state(wish))[0] == "running"
        assert await lab.live(lab.lines) == 1
    async with Lab(tmp_path, lines=Lines(cured=True)) as lab:
        await lab.requests.ask("retry", "probe.lines")
        await lab.drain()
        assert (await lab.state(wish))[0] == "done"
        assert await lab.live(lab.lines) == 2
        assert await lab.dump(lab.lines, 1) == await lab.dump(lab.lines, 2)


async def test_a_second_replay_waits_for_the_generation_that_is_built_already(tmp_path: Path) -> None:
    async with Lab(tmp_path, policy=SMALL) as lab:
        await lab.drain()
        await lab.walk(100)
        wishes = [await lab.requests.ask("replay", "probe.sums")]
        await lab.sums.look()
        wishes.append(await lab.requests.ask("replay", "probe.sums"))
        await lab.drain()
        assert [await lab.state(wish) for wish in wishes] == [("done", "generation 2 is live")] * 2


def test_a_statement_on_two_read_models_is_refused_at_start() -> None:

    both = select(int, "select 1 from probe_lines l join probe_sums s on s.tenant_id = l.tenant_id")
    models = [Model.of(Lines(), LINES_DDL), Model.of(Sums(), SUMS_DDL)]
    with pytest.raises(ValueError, match=r"probe\.lines and probe\.sums"):
        ReadModels(None, None, models, [both], 0.5)  # type: ignore[arg-type]


def test_a_projection_is_described_well_or_refused() -> None:

    class Crooked(Projection, name="Probe Lines", version=1, tables="x.sql"):
        """Has a name no table could have."""

    with pytest.raises(ValueError, match=r"module\.noun"):
        Model.of(Crooked(), "create table x (a text)")
    with pytest.raises(ValueError, match="creates no table"):
        Model.of(Lines(), "-- nothing")
