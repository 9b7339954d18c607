"""What PostgreSQL's errors mean to a caller.

Two kinds: the server cannot serve now (Unavailable, nothing done), and the rest, which are bugs and become a ValueError
that names the statement. Constraints and lost comparisons are the writer's business and never come here.
"""

import asyncio

import asyncpg

from armature.kernel.refusals import PlatformRefusal, Unavailable

__all__ = ["is_lost", "sqlstate", "translate"]

# By SQLSTATE, the longest prefix that is known. https://www.postgresql.org/docs/current/errcodes-appendix.html
_WORDS = {
    "08": "the connection was lost",
    "25006": "the server is read-only; a standby? check the address after a failover",
    "25P02": "the transaction was ended by an earlier error",
    "25P03": "the transaction stood idle for too long and was ended",
    "25P04": "the transaction took too long and was ended",
    "28": "the server refuses the user; check the address and pg_hba.conf",
    "3D000": "the database does not exist; create it, then run `armature migrate`",
    "40001": "it could not be put in order with others at the same time; try again",
    "40P01": "it waited for others that waited for it; try again",
    "53000": "the server is out of resources",
    "53100": "the server's disk is full; free some space, no restart is needed",
    "53200": "the server is out of memory",
    "53300": "the server has no connection left; raise max_connections or lower policies: postgres.*_connections",
    "55P03": "a row is locked for too long by somebody else",
    "57014": "the statement took too long and was stopped",
    "57P": "the server is shutting down or starting up",
    "58": "the server's disk does not read or write",
    "XX": "the server has found itself damaged; look at its log",
}
_LOST = ("08", "57P01", "57P02", "57P03", "57P05", "25P03", "25P04")


def sqlstate(error: BaseException) -> str:
    """Return the server's five-letter code, empty for an error that is not the server's."""
    return getattr(error, "sqlstate", None) or ""


def is_lost(error: BaseException) -> bool:
    """Return whether the connection is of no more use after this error."""
    if isinstance(error, (OSError, asyncpg.InternalClientError)):  # TimeoutError is one of the first
        return True
    if isinstance(error, asyncpg.InterfaceError):
        return "closed" in str(error)
    return sqlstate(error).startswith(_LOST)


def translate(error: BaseException, home: str = "") -> Exception:
    """Return Unavailable for what may pass; for a bug a ValueError that begins with `home`, the statement's place."""
    if isinstance(error, PlatformRefusal):
        return error
    words = _words(sqlstate(error))
    if words is not None:
        return Unavailable(what=f"database: {words} ({error})")
    if is_lost(error):
        return Unavailable(what=f"database: the server does not answer ({str(error) or type(error).__name__})")
    if isinstance(error, (asyncpg.PostgresError, asyncpg.InterfaceError)):
        return ValueError(f"{home}: {error}" if home else str(error))
    if isinstance(error, Exception) and not isinstance(error, asyncio.CancelledError):
        return error
    raise error


def _words(state: str) -> str | None:
    for length in (5, 3, 2):
        found = _WORDS.get(state[:length])
        if found is not None:
            return found
    return None
