"""What every PostgreSQL says about its own types is asked once per process, and not by every new connection.

The driver asks with a recursive query of some ten milliseconds the first time a connection meets `text[]`; a process with
sixteen connections, and a fleet of such processes, would ask it hundreds of times. Types that come with the server have the
same numbers and the same make in every database since they were introduced; others may differ and are asked for.
"""

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import asyncpg

__all__ = ["KnowingConnection"]

_FIRST_USER_OID = 16_384
"""Below it are the objects that initdb makes (PostgreSQL: `FirstNormalObjectId`)."""

_KNOWN: dict[frozenset[int], Any] = {}

_ASKED_NOTHING = SimpleNamespace(name="known")
"""In the place of the driver's statement of the question: it has a name, so nothing prepared was overwritten."""


class KnowingConnection(asyncpg.Connection):  # type: ignore[misc]  # the driver has no types
    """A connection that asks about a built-in type only when no other of this process has."""

    __slots__ = ()

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float | None) -> Any:
        wanted = frozenset(typeoids)
        if wanted in _KNOWN:
            return _KNOWN[wanted], _ASKED_NOTHING
        found, asked = await super()._introspect_types(wanted, timeout)
        if all(oid < _FIRST_USER_OID for oid in wanted):
            _KNOWN[wanted] = found
        return found, asked
