"""A power cut at any moment takes nothing that was acknowledged (with synchronous=full; normal shows that the cut is real)."""

import asyncio
import random
from pathlib import Path
from typing import Literal

import apsw

from armature.conformance.database_world import event, run
from armature.engine.policies import DatabasePolicy
from armature.ports.database import Committed

from .lossy_vfs import LossyDisk
from .sqlite_world import found, sqlite_world

CUTS = 48
CALLERS = 6
UNITS_EACH = 14
PAYLOAD = b'"' + b"x" * 20_000 + b'"'


async def load(disk: LossyDisk, path: Path, synchronous: Literal["full", "normal"]) -> int:
    """Commit units from several callers; return where the record stood when the last was acknowledged."""
    async with sqlite_world(disk.uri(path), DatabasePolicy(synchronous=synchronous)) as world:
        start = len(disk.notes)
        folder = apsw.Connection(disk.uri(path), flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI)

        async def caller(c: int) -> None:
            for n in range(UNITS_EACH):
                told = event()
                told = type(told)(**{name: getattr(told, name) for name in told.__struct_fields__} | {"payload": PAYLOAD})
                verdict = await world.commit(world.opened(f"c{c}n{n}"), events=[told])
                assert isinstance(verdict, Committed)
                disk.ack(f"c{c}n{n}")
                if c == 0 and n % 3 == 2:
                    # The log goes back into the file, and starts again, in the middle of the story.
                    folder.execute("pragma wal_checkpoint(restart)").fetchall()

        await asyncio.gather(*(caller(c) for c in range(CALLERS)))
        disk.ack("end")
        assert any(note.what == "sync" and note.file == path.name for note in disk.notes[start:])
        folder.close()
        return start


def cut(disk: LossyDisk, folder: Path, moment: int, dice: random.Random) -> set[str]:
    """Cut the power, start again, return the accounts that were acknowledged and are lost."""
    folder.mkdir()
    for name, content in disk.survivors(moment, dice, dice.choice((0.0, 0.5, 0.9, 1.0))).items():
        (folder / name).write_bytes(content)
    accounts, events = found(folder / "power.db")
    assert len(accounts) == events, "half a unit came back"
    return disk.acked(moment) - accounts - {"end"}


def story(tmp_path: Path, synchronous: Literal["full", "normal"]) -> list[set[str]]:
    disk, dice = LossyDisk(), random.Random(35)
    (tmp_path / "disk").mkdir()
    start = run(load(disk, tmp_path / "disk" / "power.db", synchronous))
    end = next(index for index, note in enumerate(disk.notes) if note.ack == "end") + 1
    moments = [end, *(dice.randrange(start, end) for _ in range(CUTS - 1))]
    return [cut(disk, tmp_path / f"cut{n}", moment, dice) for n, moment in enumerate(moments)]


def test_no_power_cut_takes_what_was_acknowledged(tmp_path: Path) -> None:
    assert story(tmp_path, "full") == [set()] * CUTS


def test_with_normal_synchronisation_the_same_cuts_do_take_something(tmp_path: Path) -> None:
    assert any(story(tmp_path, "normal"))
