"""A PostgreSQL of our own. As root it runs as the system's user `postgres`, because it refuses to run as root."""

import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from armature.testing.servers.local import LocalServer

__all__ = ["LocalPostgres"]

_CURE = "install PostgreSQL 15 or newer (Debian: apt-get install postgresql; macOS: brew install postgresql)"
# After a kill the server syncs every file of its folder one by one before it recovers: seconds. This is one call.
_QUICK_RECOVERY = {"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}


class LocalPostgres(LocalServer):
    """`settings` are server settings (`{"max_connections": "20"}`). Databases are C-collated; the superuser is `postgres`."""

    name = "postgres"
    user = "postgres"
    # Fast shutdown: a plain SIGTERM waits for every client to leave.
    polite = signal.SIGINT

    def __init__(self, folder: Path | None = None, *, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, port=port)
        self.settings = {"max_connections": "200", "shared_buffers": "128MB", **_QUICK_RECOVERY, **(settings or {})}

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create an empty database; return its address."""
        self.sql(f'create database "{name}" template template0')
        return self.url(name)

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run SQL as superuser; return what psql printed (unaligned, no header)."""
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database)
        done = self._run(self._program("psql", _CURE), "-XAtq", "-v", "ON_ERROR_STOP=1", *where, "-c", text)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    def _prepare(self) -> None:
        """Make the cluster with `initdb`."""
        if (self.store / "PG_VERSION").exists():
            return
        shutil.rmtree(self.store, ignore_errors=True)
        flags = ("-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N")
        done = self._run(self._program("initdb", _CURE), "-D", str(self.store), *flags)
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr.strip() or done.stdout.strip()}")

    def command(self) -> list[str]:
        """Return the command line."""
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder), **self.settings}
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        return [self._program("postgres", _CURE), "-D", str(self.store), "-p", str(self.port), *words]

    def answers(self) -> bool:
        """Ask `pg_isready`."""
        done = self._run(self._program("pg_isready", _CURE), "-q", "-h", "127.0.0.1", "-p", str(self.port))
        return done.returncode == 0

    def _elsewhere(self) -> tuple[str, ...]:
        """Debian keeps the programs of each version apart."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        return (*super()._elsewhere(), *map(str, found), "/opt/homebrew/opt/postgresql/bin")
