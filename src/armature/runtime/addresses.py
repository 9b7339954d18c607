"""Where the servers of an environment are, looked up once at start. An address may hold a password: it shows itself masked.

`env:NAME` and `file:PATH` say where an address is kept; anything else is the address itself.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from armature.kernel.types import Secret
from armature.runtime.environment import Environment, is_reference
from armature.runtime.model import Model
from armature.runtime.problems import ModelError, Problem
from armature.runtime.secrets import Missing, fetch

__all__ = ["Addresses", "database_addresses", "resolve_addresses"]

_SCHEMES: Mapping[str, tuple[str, ...]] = {
    "postgres": ("postgresql", "postgres"),
    "nats": ("nats", "tls"),
    "redis": ("redis", "rediss"),
}
_EXAMPLES: Mapping[str, str] = {
    "postgres": "postgresql://user@host/database",
    "nats": "nats://host:4222",
    "redis": "redis://host:6379/0",
}


class Addresses(Struct, frozen=True):
    """The resolved address of each port that has a server, by its key in the environment (`database.url`)."""

    by_key: Mapping[str, Secret]

    def of(self, key: str) -> str:
        """Return the address with its password; KeyError when the port's adapter has no server."""
        return self.by_key[key].reveal()


def resolve_addresses(model: Model, environ: Mapping[str, str]) -> Addresses:
    """Fetch the address of every server the environment names; raises `ModelError` for all that are missing or malformed.

    No message repeats an address, since somebody may have written a password into it.
    """
    return _resolved(model, environ, _wanted(model.environment))


def database_addresses(model: Model, environ: Mapping[str, str]) -> Addresses:
    """Fetch those of the model's database alone, for a command that has to do with nothing else."""
    return _resolved(model, environ, (one for one in _wanted(model.environment) if one[0].startswith("database.")))


def _resolved(model: Model, environ: Mapping[str, str], wanted: Iterable[tuple[str, str, str]]) -> Addresses:
    found: dict[str, Secret] = {}
    problems: list[Problem] = []
    for key, adapter, reference in wanted:
        try:
            text = fetch(reference, model.root, environ).decode("utf-8", "replace") if is_reference(reference) else reference
            _refuse_malformed(text, adapter)
            found[key] = Secret(text)
        except Missing as missing:
            problems.append(Problem(model.origins.get(key, "default"), 0, key, *missing.said))
    if problems:
        raise ModelError(problems)
    return Addresses(found)


def _wanted(environment: Environment) -> Iterator[tuple[str, str, str]]:
    for port in ("database", "bus", "signal", "cache", "limiter"):
        binding = getattr(environment, port)
        if binding.adapter in _SCHEMES and binding.url is not None:
            yield f"{port}.url", binding.adapter, binding.url
            owner = getattr(binding, "owner_url", None)
            if owner is not None:
                yield f"{port}.owner_url", binding.adapter, owner

    for name, database in environment.databases.items():
        if database.adapter in _SCHEMES and database.url is not None:
            yield f"databases.{name}.url", database.adapter, database.url
            if database.owner_url is not None:
                yield f"databases.{name}.owner_url", database.adapter, database.owner_url
    neighbours = environment.neighbours
    if neighbours.transport == "nats" and neighbours.url is not None:
        yield "neighbours.url", "nats", neighbours.url


def _refuse_malformed(text: str, adapter: str) -> None:
    try:
        parts = urlsplit(text)
        sound = parts.scheme in _SCHEMES[adapter] and bool(parts.hostname or parts.query) and not re.search(r"\s", text)
        parts.port  # noqa: B018  (raises when it is no port)
    except ValueError:
        sound = False
    if not sound:
        raise Missing(f"what it refers to is no address of a {adapter} server", f"let it hold one like {_EXAMPLES[adapter]}")
