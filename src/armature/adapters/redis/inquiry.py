"""What a Redis says of itself when a doctor asks: one connection, two commands, nothing changed."""

from collections.abc import Mapping
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from armature.kernel.refusals import Unavailable

__all__ = ["inquire"]

_SECONDS = 3.0
_SETTINGS = ("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")


async def inquire(url: str) -> Mapping[str, str]:
    """Return `version`, `mode`, `role` and its settings; those it does not tell are left out. `Unavailable`: it is away."""
    client = Redis.from_url(url, protocol=2, decode_responses=True, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS)
    try:
        server = {**await client.info("server"), **await client.info("replication")}
        found = {"version": server["redis_version"], "mode": server.get("redis_mode", ""), "role": server.get("role", "")}
        with suppress(ResponseError):  # a hosted server hides them
            found |= {str(name): str(value) for name, value in (await client.config_get(*_SETTINGS)).items()}
        return found
    except (RedisError, OSError) as error:
        raise Unavailable(what=str(error) or f"no answer within {_SECONDS:g} s") from error
    finally:
        await client.aclose()
