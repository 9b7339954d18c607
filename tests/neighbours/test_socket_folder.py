"""The folder of sockets goes with the last process that listens in it, and what a dead one left goes with the next start."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from armature.adapters.grpc.folder import Occupied
from armature.adapters.grpc.links import GrpcLinks, Place
from armature.adapters.grpc.targets import Targets, socket_of

HOLDS = "import sys; from pathlib import Path; from armature.adapters.grpc.folder import Occupied; "
HOLDS += "Occupied(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def parent() -> Iterator[Path]:
    """A folder with a short name: a socket's path has at most 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="a-") as folder:
        yield Path(folder)


def named(parent: Path, digit: str) -> Path:
    return parent / f"armature-{os.getuid()}-{digit * 16}"


def dead(parent: Path, digit: str) -> Path:
    """A folder as a process that was killed leaves it: with a socket in which nobody answers any more."""
    folder = named(parent, digit)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "app.1-0.sock"))
    return folder


def listens(folder: Path, process: str) -> GrpcLinks:
    return GrpcLinks(Place(f"unix:{socket_of(folder, process)}", {}, Targets(folder, {})))


async def answer(message: bytes) -> bytes:
    return message


@pytest.mark.parametrize("politely", [True, False])
async def test_who_leaves_last_takes_the_folder_away(parent: Path, politely: bool) -> None:
    folder = named(parent, "a")
    one, other = listens(folder, "app"), listens(folder, "app")
    for links in (one, other):
        await links.answer(["counter"], answer)
    assert len(list(folder.iterdir())) == 2
    for links, there in ((one, True), (other, False)):
        await (links.leave() if politely else links.close())
        assert folder.exists() == there
        await links.close()


def test_what_dead_processes_left_is_removed_with_the_next_start(parent: Path) -> None:
    left = [dead(parent, "b"), named(parent, "c")]
    left[1].mkdir()
    ours = Occupied(named(parent, "a"))
    assert [one.exists() for one in left] == [False, False]
    ours.leave()
    assert list(parent.iterdir()) == []


def test_what_somebody_holds_or_answers_in_or_has_named_otherwise_stays(parent: Path) -> None:
    held, strange, other = named(parent, "b"), dead(parent, "c"), parent / f"armature-{os.getuid()}-notes"
    (strange / "notes").write_text("mine")
    other.mkdir()
    answered = named(parent, "d")
    answered.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(answered / "app.1-0.sock"))
        listener.listen()
        holder = subprocess.Popen([sys.executable, "-c", HOLDS, held], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
            Occupied(named(parent, "a")).leave()
            assert all(one.exists() for one in (held, strange, other, answered))
        finally:
            holder.kill()
            holder.communicate()
    Occupied(named(parent, "a")).leave()
    assert [one.exists() for one in (held, answered, strange, other)] == [False, False, True, True]


def test_a_folder_that_is_a_link_to_elsewhere_is_refused(parent: Path) -> None:
    (parent / "elsewhere").mkdir()
    named(parent, "a").symlink_to(parent / "elsewhere")
    with pytest.raises(OSError, match=named(parent, "a").name):
        Occupied(named(parent, "a"))
