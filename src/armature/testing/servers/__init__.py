"""Real PostgreSQL, NATS and Redis servers on this machine, each in a folder of its own on a free port: they can be killed,
paused, rolled back, kept running and thrown away. `armature drill`, `make fleet` and the tests use the same ones."""

from armature.testing.servers.guard import Guard
from armature.testing.servers.keeper import Keeper
from armature.testing.servers.local import LocalServer, MissingServer, free_port
from armature.testing.servers.nats import LocalNats
from armature.testing.servers.postgres import LocalPostgres
from armature.testing.servers.redis import LocalRedis

__all__ = ["Guard", "Keeper", "LocalNats", "LocalPostgres", "LocalRedis", "LocalServer", "MissingServer", "free_port"]
