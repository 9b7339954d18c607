"""Where those who answer for a process are: addresses that somebody wrote down, or the sockets of this machine.

A replica that listens on a socket names it after its process and its process id, in a folder that all replicas know. Nobody has
to be told of a replica that came or went: whoever asks looks into the folder.
"""

import hashlib
import itertools
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from msgspec import Struct

__all__ = ["LOOK_SECONDS", "Target", "Targets", "socket_folder", "socket_of"]

# New replicas are seen after so long, and so are those that left.
LOOK_SECONDS = 0.25
# No socket is named twice: gRPC removes the file of its socket when it ends, whoever has that name by then.
_NUMBERS = itertools.count()


def socket_folder(data: Path) -> Path:
    """Return the folder of an installation's sockets. Not in the data folder: a socket's path has at most 107 letters."""
    name = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"armature-{os.getuid()}-{name}"


def socket_of(folder: Path, process: str) -> Path:
    """Return where this process listens, after having removed what dead ones of the same name left behind."""
    for left in folder.glob(f"{process}.*.sock"):
        if not _alive(left):
            left.unlink(missing_ok=True)
    taken = {one.name for one in folder.glob("*.sock")}
    number = next(number for number in _NUMBERS if f"{process}.{os.getpid()}-{number}.sock" not in taken)
    return folder / f"{process}.{os.getpid()}-{number}.sock"


def _host(address: str) -> str:
    return address.rpartition("/")[2].rpartition(":")[0].strip("[]")


def _alive(left: Path) -> bool:
    with suppress(ValueError, IndexError):
        try:
            os.kill(int(left.name.split(".")[-2].split("-")[0]), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
    return True


class Target(Struct, frozen=True):
    """One place to ask at, as gRPC writes it, and the process that is there: the name its certificate must bear."""

    address: str
    process: str

    @property
    def sole(self) -> bool:
        """True where one answerer is: a socket, or an address in numbers; a name may stand for several."""
        with suppress(ValueError):
            return self.address.startswith("unix:") or bool(ip_address(_host(self.address)))
        return False


class Targets:
    """The targets of each process, as gRPC writes them."""

    def __init__(self, folder: Path, addresses: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._addresses = addresses
        self._clock = clock
        self._seen: list[str] = []
        self._here: dict[str, list[Target]] = {}
        self._looked = -LOOK_SECONDS

    def of(self, processes: Sequence[str]) -> list[Target]:
        """Return all targets of these processes now."""
        found: list[Target] = []
        for process in processes:
            if process in self._addresses:
                found += [Target(f"dns:///{at}", process) for at in self._written(process)]
            else:
                found += self._sockets().get(process, ())
        return found

    def forget(self) -> None:
        """Look again at the next question."""
        self._looked = -LOOK_SECONDS

    def _written(self, process: str) -> list[str]:
        """Return the addresses that were written down for a process; commas are between those of replicas."""
        return [one.strip() for one in self._addresses[process].split(",") if one.strip()]

    def _sockets(self) -> Mapping[str, Sequence[Target]]:
        """Return by process the sockets in the folder; targets are made only of a listing that is another than the last."""
        now = self._clock()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            names: list[str] = []
            with suppress(FileNotFoundError):
                names = sorted(one.name for one in self._folder.iterdir() if one.name.endswith(".sock"))
            if names != self._seen:
                self._seen = names
                self._here = self._by_process(names)
        return self._here

    def _by_process(self, names: list[str]) -> dict[str, list[Target]]:
        here: dict[str, list[Target]] = {}
        for name in names:
            process = name.rsplit(".", 2)[0]
            here.setdefault(process, []).append(Target(f"unix:{self._folder / name}", process))
        return here
