"""The servers a row needs, of the bench's own: never one that is on this machine already.

PostgreSQL commits to the disk (`synchronous_commit=on`, `fsync=on`) and runs wherever the system puts it; the cores of the
contestant and of the generator are not kept from it.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from armature.testing.servers import LocalNats, LocalPostgres, MissingServer
from bench.duel import Effort
from bench.serve import NotThere

__all__ = ["nats", "postgres"]

SETTINGS = {"synchronous_commit": "on", "fsync": "on", "shared_buffers": "256MB", "max_wal_size": "4GB", "max_connections": "200"}


@contextlib.contextmanager
def postgres(effort: Effort) -> Iterator[LocalPostgres]:
    """Run one in a folder of its own on the disk that is measured."""
    with _folder(effort) as folder, _there(), LocalPostgres(folder, settings=SETTINGS) as running:
        yield running


@contextlib.contextmanager
def nats(effort: Effort) -> Iterator[LocalNats]:
    """Run one whose JetStream is on the disk that is measured."""
    with _folder(effort) as folder, _there(), LocalNats(folder) as running:
        yield running


@contextlib.contextmanager
def _folder(effort: Effort) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=effort.data, ignore_cleanup_errors=True) as made:
        # The server runs as another user when we are root.
        Path(made).chmod(0o755)
        yield Path(made) / "server"


@contextlib.contextmanager
def _there() -> Iterator[None]:
    try:
        yield
    except MissingServer as missing:
        raise NotThere(str(missing)) from missing
