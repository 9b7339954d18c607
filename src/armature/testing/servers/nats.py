"""A NATS server with JetStream of our own."""

import socket
from pathlib import Path

from armature.testing.servers.local import LocalServer

__all__ = ["LocalNats"]

_CURE = "install nats-server (Debian: apt-get install nats-server; macOS: brew install nats-server)"


class LocalNats(LocalServer):
    """JetStream's store is a folder on disk; `config` is added to the server's configuration file."""

    name = "nats"

    def __init__(self, folder: Path | None = None, *, port: int = 0, config: str = "") -> None:
        super().__init__(folder, port=port)
        self.config = config

    @property
    def url(self) -> str:
        """The server's address."""
        return f"nats://127.0.0.1:{self.port}"

    def _prepare(self) -> None:
        """Write the configuration file."""
        super()._prepare()
        lines = (f"listen: 127.0.0.1:{self.port}", f'jetstream {{ store_dir: "{self.store}" }}', self.config)
        (self.folder / "nats.conf").write_text("\n".join(lines) + "\n")

    def command(self) -> list[str]:
        """Return the command line."""
        return [self._program("nats-server", _CURE), "-c", str(self.folder / "nats.conf")]

    def answers(self) -> bool:
        """Connect and read the greeting; JetStream is enabled before the port opens."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as door:
                return door.recv(64).startswith(b"INFO")
        except OSError:
            return False
