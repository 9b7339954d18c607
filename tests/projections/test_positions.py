"""A caller reads its own writes with the position it was given, and with no other text."""

import asyncio
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from armature.engine import read_models
from armature.engine.event_log import Identity
from armature.engine.positions import Positions
from armature.kernel.refusals import Invalid
from tests.projections.lab import Lab

HERE = Positions(Identity("a1", 1), b"key")
RESTORED = Positions(Identity("a1", 1_795_315_153_676_161), b"key")


@given(st.integers(0, 2**63 - 1))
def test_a_position_comes_back_as_it_was(outbox_id: int) -> None:
    assert HERE.decode(HERE.encode(outbox_id)) == outbox_id
    assert RESTORED.decode(RESTORED.encode(outbox_id)) == outbox_id
    assert str(outbox_id) not in HERE.encode(outbox_id) or outbox_id < 10


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "é",
        "A" * 28,
        HERE.encode(5)[:-1],
        HERE.encode(5) + "AAAA",
        HERE.encode(5)[:-1] + ("A" if HERE.encode(5)[-1] != "A" else "B"),
        Positions(Identity("b2", 1), b"key").encode(5),
        Positions(Identity("a1", 2), b"key").encode(5),
        Positions(Identity("a1", 1 + 2**32), b"key").encode(5),
        Positions(Identity("a1", 1), b"other").encode(5),
    ],
    ids=["empty", "plain", "letters", "zeros", "cut", "longer", "changed", "other log", "after a restore", "later", "other key"],
)
def test_a_forged_or_foreign_position_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        HERE.decode(text)
    assert refused.value.errors[0].path == "Armature-Position"


async def test_the_log_knows_its_name_over_restarts(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        first = await lab.log.identity()
    async with Lab(tmp_path) as lab:
        assert await lab.log.identity() == first
        assert (len(first.log), first.epoch) == (16, 1)


async def test_a_reader_waits_until_its_own_write_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # So that only the projector's word can wake it.
    monkeypatch.setattr(read_models, "_LOOK_SECONDS", 3600)
    async with Lab(tmp_path) as lab:
        lab.reads._wait_seconds = 3600
        await lab.drain()
        await lab.walk(5)
        reader = asyncio.create_task(lab.reads.ready("probe.sums", 5, monotonic() + 3600))
        await asyncio.sleep(0)
        assert not reader.done()
        await lab.drain()
        async with asyncio.timeout(30):
            assert (await reader).position == 5


async def test_a_reader_in_another_process_waits_by_looking(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab, Lab(tmp_path) as web:
        await lab.drain()
        await web.reads.poll()
        await lab.walk(5)
        reader = asyncio.create_task(web.reads.ready("probe.sums", 5, monotonic() + 60))
        await asyncio.sleep(0)
        await lab.drain()
        assert (await reader).position == 5


async def test_a_reader_gets_what_there_is_when_its_wait_is_over(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        await lab.drain()
        await lab.walk(5)
        await lab.drain()
        await lab.walk(5)
        generation = await lab.reads.ready("probe.sums", 10, monotonic() + 0.05)
        assert generation.position == 5
