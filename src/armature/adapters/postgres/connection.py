"""One connection, made ready: bounded by the server itself, and speaking Python's own types.

The limits go into the start-up packet, so that no connection exists without them, whatever becomes of this process.
"""

from typing import Any

import asyncpg

from armature.adapters.postgres.known_types import KnowingConnection
from armature.adapters.postgres.settings import PostgresSettings
from armature.adapters.postgres.trouble import translate
from armature.adapters.postgres.values import load_uuid
from armature.kernel.refusals import Unavailable

__all__ = ["LaneConnection", "connect", "prepare", "quoted"]

_KEEPALIVE_SECONDS = "5"
_KEEPALIVE_TIMES = "2"
_SILENCE_MILLISECONDS = "15000"
"""As long as keepalive takes: silence, then two questions."""
_STATEMENTS_MAX = 2_000
"""Prepared statements that one connection keeps: all of a large system's, so that none is parsed twice."""


class LaneConnection(KnowingConnection):
    """A connection that remembers under which role its session speaks, None is the login's own, and how long a statement of it
    may take, None is what its settings say."""

    __slots__ = ("role", "seconds")

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self.role: str | None = None
        self.seconds: float | None = None

    async def speak_as(self, role: str | None) -> None:
        """Change the session's role; nothing is sent where it is that role already."""
        if role != self.role:
            await self.execute(f"set role {quoted(role)}" if role else "reset role")
            self.role = role

    async def bounded(self, seconds: float | None) -> None:
        """Let the server end a statement after so long; nothing is sent where it is that long already."""
        if seconds != self.seconds:
            text = "reset statement_timeout" if seconds is None else f"set statement_timeout = {_milliseconds(seconds)}"
            await self.execute(text)
            self.seconds = seconds


async def connect(settings: PostgresSettings, url: str | None = None) -> LaneConnection:
    """Return a new connection to `url` (default: the runtime's), ready for statements; refuse with words."""
    try:
        connection: LaneConnection = await asyncpg.connect(
            url or settings.url,
            connection_class=LaneConnection,
            timeout=settings.acquire_seconds,
            command_timeout=settings.silence_seconds,
            statement_cache_size=_STATEMENTS_MAX,
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
            server_settings=_session(settings),
        )
    except (asyncpg.InterfaceError, ValueError) as error:
        raise Unavailable(what=f"database: the address is not understood: {error}") from error
    except Exception as error:
        raise translate(error) from error
    await prepare(connection)
    return connection


async def prepare(connection: LaneConnection) -> None:
    """Set the codecs that differ from the driver's: plain UUIDs, which compare and encode as everybody's."""
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=lambda value: value.bytes, decoder=load_uuid, format="binary"
    )


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _session(settings: PostgresSettings) -> dict[str, str]:
    return {
        "application_name": settings.application_name,
        "timezone": "UTC",
        "statement_timeout": _milliseconds(settings.statement_seconds),
        "lock_timeout": _milliseconds(settings.lock_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(settings.idle_in_transaction_seconds),
        # None of these ends a session that has heard half of what its client was saying when the network went: it holds its
        # locks until the kernel tells it that nobody is there, which would take two hours. It asks nobody who still owes it an
        # acknowledgement; him it gives up by its user timeout. Sockets of one machine have neither, and ignore both.
        "tcp_keepalives_idle": _KEEPALIVE_SECONDS,
        "tcp_keepalives_interval": _KEEPALIVE_SECONDS,
        "tcp_keepalives_count": _KEEPALIVE_TIMES,
        "tcp_user_timeout": _SILENCE_MILLISECONDS,
        # Compiling to machine code pays for reports that take seconds; here it would only cost.
        "jit": "off",
        # A merged statement takes its values from arrays, of which the planner knows the length alone: planning it anew
        # for every call costs more than running it.
        "plan_cache_mode": "force_generic_plan",
        # As of a disk without arms: a batch's rows are fetched one by one, where the default would read a whole small table.
        "random_page_cost": "1.1",
    }


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))
