"""A poisoned event stops its own stream and nobody else's; a retry loses nothing and doubles nothing."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from armature.engine.parking import ParkedStream, listed
from armature.engine.policies import ProjectionPolicy
from tests.projections.lab import Lab, Lines, Split, Stepped, Sums


async def parked(lab: Lab) -> list[ParkedStream]:
    return (await lab.db.read((listed(),)))[0]


async def retry(lab: Lab, stream: str = "") -> tuple[str, str]:
    wish = await lab.requests.ask("retry", "probe.lines", stream)
    await lab.drain(lab.lines)
    return await lab.state(wish)


async def test_a_poisoned_stream_is_parked_and_the_others_go_on(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        ill, well = uuid4(), uuid4()
        await lab.tell(Stepped(ill, 1, 1, 1), Stepped(well, 1, 1, 1), Stepped(ill, 13, 14, 2), Stepped(well, 1, 2, 2))
        await lab.tell(Stepped(ill, 1, 15, 3), Stepped(well, 1, 3, 3))
        await lab.drain()
        (stream,) = await parked(lab)
        assert (stream.stream, stream.position, stream.attempts) == (f"probe/{ill}", 3, lab.policy.park_after_attempts)
        assert stream.reason == "Poisoned: a step by 13"
        assert await lab.rows("select version from probe_lines__1 where probe_id = ? order by 1", well.bytes) == [
            (1,),
            (2,),
            (3,),
        ]
        assert await lab.rows("select version from probe_lines__1 where probe_id = ?", ill.bytes) == [(1,)]
        assert lab.lines.health().parked == 1


async def test_what_the_database_refuses_is_found_in_its_batch_and_parked(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        ids = await lab.walk(50)
        await lab.tell(Stepped(ids[0], 1, 666, 11))
        await lab.tell(*(Stepped(one, 1, 11, 11) for one in ids[1:]))
        await lab.drain()
        (stream,) = await parked(lab)
        assert stream.position == 51
        assert await lab.rows("select count(*) from probe_lines__1") == [(54,)]


async def test_a_retry_after_the_cure_applies_what_waited_in_order_and_once(tmp_path: Path) -> None:
    ill = uuid4()
    async with Lab(tmp_path) as lab:
        await lab.drain()
        await lab.tell(Stepped(ill, 13, 13, 1), *(Stepped(ill, 1, 13 + n, 1 + n) for n in range(1, 30)))
        await lab.walk(40)
        await lab.drain()
        state, detail = await retry(lab)
        assert state == "refused"
        assert "1 tried, 1 still parked" in detail
        assert "Poisoned: a step by 13" in detail
        assert (await parked(lab))[0].attempts == lab.policy.park_after_attempts + 1
    async with Lab(tmp_path, lines=Lines(cured=True), policy=ProjectionPolicy(chunk_rows=4, batch_events=6)) as lab:
        assert (await retry(lab, f"probe/{uuid4()}"))[1].startswith("0 tried")
        assert await retry(lab, f"probe/{ill}") == ("done", "1 tried, 0 still parked")
        assert await parked(lab) == []
        await lab.tell(Stepped(ill, 1, 99, 31))
        await lab.drain()
        found = await lab.rows("select version from probe_lines__1 where probe_id = ? order by version", ill.bytes)
        assert found == [(n,) for n in range(1, 32)]


async def test_a_stream_parked_in_the_middle_of_an_event_goes_on_there(tmp_path: Path) -> None:
    ill = uuid4()
    async with Lab(tmp_path, policy=ProjectionPolicy(chunk_rows=10)) as lab:
        await lab.drain()
        # Line 25 exists already, so the third part of the split is refused.
        await lab.tell(Stepped(ill, 1, 1, 26), Split(ill, 35, 1))
        await lab.drain()
        (stream,) = await parked(lab)
        assert (stream.position, stream.part) == (2, 20)
        await lab.db.script("delete from probe_lines__1 where version = 26")
        assert (await retry(lab))[0] == "done"
        assert await lab.rows("select count(*), max(version) from probe_lines__1") == [(35, 35)]


async def test_without_an_order_by_stream_poison_halts_and_says_where(tmp_path: Path) -> None:
    async with Lab(tmp_path, lines=Lines(cured=True), sums=Sums(cured=False)) as lab:
        await lab.drain()
        await lab.tell(Stepped(uuid4(), 1, 1, 1), Stepped(uuid4(), 13, 13, 1), Stepped(uuid4(), 1, 1, 1))
        await lab.drain()
        for _ in range(5):
            await lab.sums.step()
        halted = lab.sums.health().halted
        assert "event 2 (probe.stepped)" in halted
        assert "a step by 13" in halted
        assert await lab.rows("select value from probe_sums__1") == [(1,)]
        assert await parked(lab) == []
    async with Lab(tmp_path) as lab:
        await lab.drain()
        assert lab.sums.health().halted == ""
        assert await lab.rows("select value from probe_sums__1") == [(15,)]


async def test_one_stream_name_in_two_tenants_is_two_streams(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        same = uuid4()
        await lab.tell(Stepped(same, 13, 1, 1), tenant="ill")
        await lab.tell(Stepped(same, 1, 1, 1), tenant="well")
        await lab.drain()
        assert [stream.tenant_id for stream in await parked(lab)] == ["ill"]
        assert await lab.rows("select tenant_id from probe_lines__1") == [("well",)]


steps = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([1, 2, 13])), min_size=1, max_size=25)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, batch=st.integers(1, 8), chunk=st.integers(1, 5))
def test_parked_and_retried_is_as_if_never_parked(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int]], batch: int, chunk: int
) -> None:
    asyncio.run(_park_and_retry(tmp_path_factory.mktemp("parked"), steps, batch, chunk))


async def _park_and_retry(folder: Path, steps: list[tuple[int, int]], batch: int, chunk: int) -> None:
    policy = ProjectionPolicy(batch_events=batch, chunk_rows=chunk)
    probes = [uuid4() for _ in range(4)]
    async with Lab(folder, policy=policy) as lab:
        await lab.drain()
        for n, (probe, by) in enumerate(steps, 1):
            await lab.tell(Stepped(probes[probe], by, n, n))
        await lab.drain()
        first_poison = {p: next((n for n, (q, by) in enumerate(steps, 1) if q == p and by == 13), None) for p in range(4)}
        assert {s.position for s in await parked(lab)} == {n for n in first_poison.values() if n}
    async with Lab(folder, policy=policy, lines=Lines(cured=True)) as lab:
        await retry(lab)
        assert await parked(lab) == []
        assert await lab.rows("select version from probe_lines__1 order by version") == [(n,) for n in range(1, len(steps) + 1)]
        before = await lab.dump(lab.lines)
        await lab.requests.ask("replay", "probe.lines")
        await lab.drain()
        assert await lab.live(lab.lines) == 2
        assert await lab.dump(lab.lines) == before
