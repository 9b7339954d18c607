"""What a PostgreSQL says of itself when a doctor asks: one connection, one statement, nothing changed."""

from collections.abc import Mapping

import asyncpg

from armature.kernel.refusals import Unavailable

__all__ = ["inquire"]

_SECONDS = 3.0
_ASKED = """
select current_setting('server_version') as server_version,
       current_setting('server_version_num') as server_version_num,
       current_setting('fsync') as fsync,
       current_setting('full_page_writes') as full_page_writes,
       current_setting('synchronous_commit') as synchronous_commit,
       current_setting('max_connections') as max_connections,
       (current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int)::text as connections,
       pg_is_in_recovery()::text as standby,
       d.datcollate as collation,
       pg_encoding_to_char(d.encoding) as encoding
  from pg_database d
 where d.datname = current_database()
"""


async def inquire(url: str) -> Mapping[str, str]:
    """Return its settings by name; `connections` are those it has for others than superusers. `Unavailable`: it is away."""
    try:
        connection = await asyncpg.connect(url, timeout=_SECONDS, server_settings={"application_name": "armature doctor"})
        try:
            row = await connection.fetchrow(_ASKED, timeout=_SECONDS)
        finally:
            await connection.close(timeout=_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise Unavailable(what=str(error) or f"no answer within {_SECONDS:g} s") from error
    return {name: str(value) for name, value in row.items()}
