"""What a server must be before work is entrusted to it: it keeps what it acknowledged, and its walls stand."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from armature.adapters.postgres.grants import refuse_unsafe_roles
from armature.adapters.postgres.settings import PostgresSettings
from armature.kernel.refusals import Unavailable
from armature.ports.migrator import SchemaRefused

__all__ = ["STANDING", "Standing", "refuse_unfit"]

_VERSION_MIN = 150_000
_BY_BYTES = frozenset({"C", "C.UTF-8", "C.utf8", "POSIX"})
STANDING = """
select current_setting('server_version_num')::int as version, current_setting('fsync') as fsync,
       current_setting('full_page_writes') as full_page_writes, current_setting('synchronous_commit') as synchronous_commit,
       pg_is_in_recovery() as standby, d.datcollate as collation, pg_encoding_to_char(d.encoding) as encoding,
       (select rolsuper or rolbypassrls from pg_roles where rolname = current_user) as above_walls,
       exists (select 1 from pg_class where relname = 'armature_promotion') as promoting
  from pg_database d
 where d.datname = current_database()
"""


class Standing(Struct, frozen=True):
    """What `STANDING` found, column by column."""

    version: int
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    standby: bool
    collation: str
    encoding: str
    above_walls: bool
    promoting: bool

    def troubles(self) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the server or the database, whatever is in it, and the cure."""
        for wrong, text, cure in (
            (self.version < _VERSION_MIN, "the server is older than PostgreSQL 15", "upgrade it"),
            (self.fsync != "on", "fsync is off, a power cut loses what was acknowledged", "set fsync = on"),
            (self.full_page_writes != "on", "full_page_writes is off, a power cut tears pages", "set full_page_writes = on"),
            (
                self.synchronous_commit == "off",
                "synchronous_commit is off, a crash loses what was acknowledged",
                "set synchronous_commit = on for this database",
            ),
            (self.standby, "the server is a standby and takes no writes", "give the address of the primary"),
            (self.encoding != "UTF8", f"the database is encoded as {self.encoding}", "create it with encoding 'UTF8'"),
            (
                self.collation not in _BY_BYTES,
                f"the database sorts by {self.collation}, not as SQLite and Python do",
                "create it with lc_collate 'C' template template0",
            ),
        ):
            if wrong:
                yield text, cure


async def refuse_unfit(connection: Any, settings: PostgresSettings) -> None:
    """Raise `Unavailable`, with the cure, when what was promised cannot be kept here."""
    found = Standing(*await connection.fetchrow(STANDING))
    for text, cure in found.troubles():
        raise Unavailable(what=f"database: {text}; {cure}")
    for wrong, text in (
        (
            found.promoting,
            "data is being moved into it and is not whole; finish that: armature promote, or --abort it, or armature restore",
        ),
        (
            settings.row_security and not settings.roles and found.above_walls,
            "the login is above row level security; give it a role that is no superuser and has no bypassrls",
        ),
    ):
        if wrong:
            raise Unavailable(what=f"database: {text}")
    if settings.roles:
        try:
            await refuse_unsafe_roles(connection, settings.modules)
        except SchemaRefused as refused:
            raise Unavailable(what=f"database: {refused}") from refused
