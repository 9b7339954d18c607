"""A Redis of our own."""

import socket
from collections.abc import Mapping
from pathlib import Path

from armature.testing.servers.local import LocalServer

__all__ = ["LocalRedis"]

_CURE = "install Redis 7 (Debian: apt-get install redis-server; macOS: brew install redis)"


class LocalRedis(LocalServer):
    """Append-only file on, synced every second, nothing evicted; `settings` replaces any of them."""

    name = "redis"

    def __init__(self, folder: Path | None = None, *, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, port=port)
        self.settings = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", **(settings or {})}

    @property
    def url(self) -> str:
        """The server's address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """Return the command line."""
        fixed = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self.store), "save": "", "daemonize": "no"}
        words = [word for key, value in {**fixed, **self.settings}.items() for word in (f"--{key}", value)]
        return [self._program("redis-server", _CURE), *words]

    def answers(self) -> bool:
        """Send PING; a server that is still loading says so and does not count."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as door:
                door.sendall(b"PING\r\n")
                return door.recv(64).startswith(b"+PONG")
        except OSError:
            return False
