"""The door to Redis: opened only when a topology binds a port to it.

The client is an extra and not part of the base install, so nothing else imports the adapter's modules by name.
"""

from importlib import import_module
from types import ModuleType

__all__ = ["RedisMissing", "redis"]

_CURE = "install it with pip install 'armature[redis]'"


class RedisMissing(Exception):
    """The client of Redis is not installed."""


def redis(part: str) -> ModuleType:
    """Return a module of the adapter: `connection`, `bus`, `signal`, `cache`, `limiter`; without the client refuse with the cure.

    A process makes one `connection.RedisConnection(url)` and gives it to each of its ports.
    """
    try:
        return import_module(f"armature.adapters.redis.{part}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("redis", "hiredis"):
            raise
        raise RedisMissing(f"a port is bound to Redis, but its client redis is not there; {_CURE}") from error
