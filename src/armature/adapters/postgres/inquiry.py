"""What a PostgreSQL says of itself when a doctor asks: one connection, nothing changed."""

from collections.abc import Mapping

import asyncpg

from armature.adapters.postgres.grants import lane_role
from armature.engine.migrations import FRAMEWORK
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
       pg_encoding_to_char(d.encoding) as encoding,
       coalesce(has_schema_privilege(current_schema(), 'create'), false)::text as creates_tables,
       (r.rolsuper or r.rolcreaterole or exists (select from pg_roles lane where lane.rolname = $1))::text as has_lanes
  from pg_database d
  join pg_roles r on r.rolname = current_user
 where d.datname = current_database()
"""


async def inquire(url: str) -> Mapping[str, str]:
    """Return its settings by name; `connections` are those it has for others than superusers, `creates_tables` and `has_lanes`
    whether this login can migrate. `Unavailable`: it is away."""
    try:
        connection = await asyncpg.connect(url, timeout=_SECONDS, server_settings={"application_name": "armature doctor"})
        try:
            lane = lane_role(await connection.fetchval("select current_database()", timeout=_SECONDS), FRAMEWORK)
            row = await connection.fetchrow(_ASKED, lane, timeout=_SECONDS)
        finally:
            await connection.close(timeout=_SECONDS)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        raise Unavailable(what=str(error) or f"no answer within {_SECONDS:g} s") from error
    return {name: str(value) for name, value in row.items()}
