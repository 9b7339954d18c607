"""A trace: what was sent, by whom, in which order. Steps of one tenant follow each other; tenants run side by side.

It is recorded once, on the first topology, because what a client sends depends on what it was answered (ids, versions,
cursors). From then on it is data, and can be kept in a file.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

__all__ = ["Answer", "Step", "Trace"]

_COMPARED = ("content-type", "etag", "idempotent-replayed", "location", "www-authenticate")


class Step(Struct, frozen=True, gc=False):
    """One request. `number` gives it its ids and its time."""

    tenant: str
    number: int
    operation: str
    method: str
    path: str
    headers: dict[str, str]
    body: str


class Answer(Struct, frozen=True, gc=False):
    """What came back. A position names its own log and is compared by its presence."""

    status: int
    headers: dict[str, str]
    body: str

    @classmethod
    def of(cls, status: int, headers: dict[str, str], body: bytes) -> "Answer":
        """Keep what must be equal."""
        kept = {name: headers[name] for name in _COMPARED if name in headers}
        if "armature-position" in headers:
            kept["armature-position"] = "given"
        return cls(status, kept, body.decode("utf-8", "backslashreplace"))


class Trace(Struct, frozen=True):
    """A recorded trace: its seed, and the steps of each tenant in order."""

    seed: int
    tenants: dict[str, list[Step]]

    @property
    def steps(self) -> int:
        """How many requests it holds."""
        return sum(map(len, self.tenants.values()))

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        path.write_bytes(msgspec.json.encode(self))

    @classmethod
    def read(cls, path: Path) -> "Trace":
        """Read one that was kept; raises ValueError with the reason when the file is none."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except msgspec.DecodeError as error:
            raise ValueError(f"{path} is no recorded trace: {error}; record one with armature prove --record") from error
