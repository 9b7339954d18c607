"""Who may touch which table: one role per module, its lane, so that a module's SQL cannot reach a neighbour's rows.

Roles belong to a whole server and databases are many, so a lane's name carries a hash of its database's name: two
installations on one server never share a role. A lane cannot log in; the login of the running system is a member and takes
it with `set local role` when it opens a transaction (laws 4). The framework's own lane, `armature`, has the framework's
tables and all read models, because folds run on it.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from armature.engine.migrations import FRAMEWORK
from armature.ports.migrator import SchemaRefused, Trouble

__all__ = ["LaneNames", "is_generation", "kind_of", "lane_prefix", "lane_role", "refuse_unsafe_roles"]

_BYTES_MAX = 63
_GENERATION = re.compile(r"__\d+\Z")
_READ = frozenset({"SELECT"})
_ALL = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
_NOTE = frozenset({"SELECT", "INSERT", "UPDATE"})
_GUARD = frozenset({"SELECT", "UPDATE"})
_NONE: frozenset[str] = frozenset()
_FRAMEWORK_READS = frozenset({"armature_migrations"})
# A replay of a stored answer is a read of the command's own lane; everything else of the framework is written through its
# definer functions or on its own lane.
_ALL_LANES_READ = frozenset({"armature_keys"})
# What a reaction has taken is noted in the commit of its effect, which is its module's (laws 6).
_ALL_LANES_NOTE = frozenset({"armature_inbox", "armature_consumed"})
# What a watcher commits is its module's and holds only while its lease does; a guard locks the row it looks at.
_ALL_LANES_GUARD = frozenset({"armature_leases"})
_GIVEN = ((_ALL_LANES_READ, _READ), (_ALL_LANES_NOTE, _NOTE), (_ALL_LANES_GUARD, _GUARD))

_UNSAFE = """
select r.rolname, r.rolsuper, r.rolbypassrls, r.rolcanlogin, d.datdba = r.oid as owner
  from pg_roles r
  join pg_database d on d.datname = current_database()
 where r.rolname = any($1::text[])
"""
_STRANGERS = "select r from unnest($1::text[]) r where not pg_has_role(current_user, r, 'member')"


def lane_prefix(database: str) -> str:
    """Return how the names of all lanes of a database begin."""
    return f"armature_{hashlib.sha256(database.encode()).hexdigest()[:10]}_"


def lane_role(database: str, module: str) -> str:
    """Return the role under which a module's SQL runs in the database of that name; `armature` is the framework's lane."""
    name = f"{lane_prefix(database)}{module}"
    if len(name.encode()) > _BYTES_MAX:
        raise ValueError(
            f"module {module!r}: PostgreSQL cuts names after {_BYTES_MAX} bytes, its lane needs {len(name.encode())}"
        )
    return name


def kind_of(tables: Mapping[str, str], table: str) -> str:
    """Return whether a table belongs to a `tenant` or is `global`; a generation is what its read model is."""
    return tables.get(_GENERATION.sub("", table), "tenant")


class LaneNames:
    """The lanes of one database, and what each may do with a table or view. Modules are known by name."""

    def __init__(self, database: str, modules: Iterable[str]) -> None:
        self.prefix = lane_prefix(database)
        self.roles = {module: lane_role(database, module) for module in sorted({*modules, FRAMEWORK})}
        self.framework = self.roles[FRAMEWORK]
        self._longest_first = sorted(self.roles, key=len, reverse=True)

    def module_of(self, name: str) -> str | None:
        """Return whose table that is: of `shop` and `shop_stock`, `shop_stock_items` is the latter's."""
        return next((module for module in self._longest_first if name.startswith(f"{module}_")), None)

    def rights(self, table: str) -> dict[str, frozenset[str]]:
        """Return the privileges of every lane that has any on a table or view."""
        module = self.module_of(table)
        if module is None:
            return {}
        if module == FRAMEWORK:
            own = {self.framework: _READ if table in _FRAMEWORK_READS else _ALL}
            given = next((rights for tables, rights in _GIVEN if table in tables), _NONE)
            return {**dict.fromkeys(self.roles.values() if given else (), given), **own}
        if is_generation(table):
            return {self.roles[module]: _READ, self.framework: _ALL}
        return {self.roles[module]: _ALL}


def is_generation(table: str) -> bool:
    """Tell whether a table is a generation of a read model: `counter_history__7`."""
    return _GENERATION.search(table) is not None


class _Lane(Struct, frozen=True):
    name: str
    superuser: bool
    bypasses: bool
    logs_in: bool
    owner: bool

    @property
    def wrong(self) -> str:
        """What makes the role no wall, "" for nothing."""
        faults = {
            "is a superuser": self.superuser,
            "bypasses row level security": self.bypasses,
            "may log in": self.logs_in,
            "owns the database": self.owner,
        }
        return " and ".join(text for text, found in faults.items() if found)


async def refuse_unsafe_roles(connection: Any, modules: Iterable[str]) -> None:
    """Raise `SchemaRefused` unless each module's lane, and the framework's, exists, is a wall and may be taken by this login."""
    database = await connection.fetchval("select current_database()")
    wanted = LaneNames(database, modules).roles
    found = {row[0]: _Lane(*row) for row in await connection.fetch(_UNSAFE, list(wanted.values()))}
    missing = sorted(module for module, role in wanted.items() if role not in found)
    if missing:
        raise _refused(database, f"there is no lane for {', '.join(missing)}", "call `armature migrate`")
    for module, role in wanted.items():
        if found[role].wrong:
            text = f"role {role}, the lane of {module}, {found[role].wrong}"
            raise _refused(database, text, "call `armature migrate` as an administrator")
    login, strangers = await connection.fetchval("select current_user"), await connection.fetch(_STRANGERS, list(wanted.values()))
    if strangers:
        roles = ", ".join(f'"{row[0]}"' for row in strangers)
        text, cure = f"login {login} may not take {roles}", f'let an administrator run: grant {roles} to "{login}"'
        raise _refused(database, text, cure)


def _refused(database: str, text: str, cure: str) -> SchemaRefused:
    return SchemaRefused(Trouble(f"database {database}", 0, text, cure))
