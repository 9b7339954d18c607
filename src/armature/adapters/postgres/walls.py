"""Brings roles, grants and policies to where the model says: looks what is there, and writes the difference.

Looking costs a few selects, so every start can do it; writing happens under the migrator's lock, in one transaction. Only
what carries a module's or the framework's name is touched; rights of other roles, say of a reporting tool, are theirs.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from armature.adapters.postgres.grants import LaneNames, kind_of
from armature.adapters.postgres.row_security import policies, quoted, row_security_of
from armature.adapters.postgres.session import Session
from armature.engine.migrations import FRAMEWORK
from armature.ports.migrator import SchemaRefused, Trouble

__all__ = ["Kinds", "Relation", "Walls"]

Kinds = Mapping[str, Mapping[str, str]]
"""`tenant` or `global` by table by module, as `module.yaml` says; a module without an entry has no lane."""

_RELATIONS = """
select c.relname, c.relkind::text, c.relrowsecurity, c.relforcerowsecurity,
       exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped),
       coalesce('security_invoker=true' = any(c.reloptions), false),
       array(select p.polname::text from pg_policy p where p.polrelid = c.oid),
       array(select p.polname::text
               from pg_policy p
              where p.polrelid = c.oid and starts_with(p.polname::text, 'armature_framework_')
                and not exists (select from pg_roles r where r.rolname = $1 and r.oid = any (p.polroles)))
  from pg_class c
 where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
   and not exists (select 1 from pg_depend d where d.objid = c.oid and d.deptype = 'e')
 order by c.relname
"""
_RIGHTS = """
select c.relname, coalesce(r.rolname, 'public'), array_agg(a.privilege_type::text)
  from pg_class c
 cross join aclexplode(c.relacl) a
  left join pg_roles r on r.oid = a.grantee
 where c.relnamespace = current_schema()::regnamespace and (a.grantee = 0 or starts_with(r.rolname, $1))
 group by 1, 2
"""
_FUNCTIONS = """
select p.proname, p.oid::regprocedure::text, p.prosecdef,
       array(select coalesce(r.rolname, 'public')
               from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
               left join pg_roles r on r.oid = a.grantee
              where a.grantee = 0 or starts_with(r.rolname, $1))
  from pg_proc p
 where p.pronamespace = current_schema()::regnamespace and p.prokind in ('f', 'p')
   and not exists (select 1 from pg_depend d where d.objid = p.oid and d.deptype = 'e')
 order by 2
"""
_ROLES = "select rolname, rolsuper or rolbypassrls or rolcanlogin or rolinherit from pg_roles where starts_with(rolname, $1)"
_MEMBERS = """
select r.rolname
  from pg_auth_members m
  join pg_roles r on r.oid = m.roleid
  join pg_roles u on u.oid = m.member
 where u.rolname = $1
"""
_ME = """
select current_user, r.rolsuper, r.rolsuper or r.rolcreaterole, current_setting('server_version_num')::int >= 160000,
       current_database(), current_schema()
  from pg_roles r
 where r.rolname = current_user
"""
_SCHEMA = "select has_schema_privilege($1, current_schema(), 'usage'), has_schema_privilege($1, current_schema(), 'create')"
_ATTRIBUTES = "nologin nosuperuser nobypassrls noinherit nocreatedb nocreaterole noreplication"
_SEQUENCE = frozenset({"USAGE"})


class Relation(Struct, frozen=True):
    """A table, view or sequence as it stands. `rights` are those of lanes and of everybody (`public`)."""

    name: str
    kind: str = "r"
    secured: bool = False
    forced: bool = False
    has_tenant: bool = False
    invoker: bool = False
    policies: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    """Policies for a lane of another database, as a restored or renamed one has them."""
    rights: Mapping[str, frozenset[str]] = {}


class Walls:
    """Lanes, grants and policies of one database. `login` is the user of the running system, None: who migrates."""

    def __init__(self, database: str, kinds: Kinds, login: str | None = None) -> None:
        self.names = LaneNames(database, kinds)
        self._kinds = kinds
        self._login = login

    def missing(self, session: Session) -> list[str]:
        """Return the sentences that make roles, grants and policies what they should be; nothing when they are."""
        relations = [relation for relation in _relations(session, self.names) if self.names.module_of(relation.name)]
        found = [*self._roles(session), *self._schema(session)]
        for relation in relations:
            found += self.around(relation)
        return found + list(self._functions(session))

    def around(self, relation: Relation) -> Iterator[str]:
        """Return what one relation still lacks, or has too much."""
        yield from self._rights(relation)
        if relation.kind == "v" and not relation.invoker:
            # A view reads with its owner's rights, past every wall, unless it says otherwise.
            yield f"alter view {quoted(relation.name)} set (security_invoker = true)"
        if relation.kind in ("r", "p"):
            yield from self._security(relation)

    def _rights(self, relation: Relation) -> Iterator[str]:
        wanted = self._wanted(relation)
        on = f"on {'sequence ' if relation.kind == 'S' else ''}{quoted(relation.name)}"
        for role in sorted({*wanted, *relation.rights}):
            should, has = wanted.get(role, frozenset()), relation.rights.get(role, frozenset())
            who = role if role == "public" else quoted(role)
            if surplus := has - should:
                yield f"revoke {_listed(surplus)} {on} from {who}"
            if lacking := should - has:
                yield f"grant {_listed(lacking)} {on} to {who}"

    def _wanted(self, relation: Relation) -> dict[str, frozenset[str]]:
        if relation.kind == "m":  # its rows are a copy that no policy guards
            return {}
        if relation.kind == "S":
            return {role: _SEQUENCE for role, rights in self.names.rights(relation.name).items() if "INSERT" in rights}
        return self.names.rights(relation.name)

    def _security(self, relation: Relation) -> Iterator[str]:
        table, module = relation.name, str(self.names.module_of(relation.name))
        framework = module == FRAMEWORK
        per_tenant = not framework and kind_of(self._kinds.get(module, {}), table) == "tenant"
        if per_tenant and not relation.has_tenant:
            cure = f"add `tenant_id text not null` to its key, or write `{table}: global` under `tables:` in its module.yaml"
            raise SchemaRefused(Trouble(f"module {module}", 0, f"table {table} has no column tenant_id", cure))
        secured, forced, names = row_security_of(table, framework=framework, per_tenant=per_tenant)
        if secured != relation.secured:
            yield f"alter table {quoted(table)} {'enable' if secured else 'disable'} row level security"
        if forced != relation.forced:
            yield f"alter table {quoted(table)} {'force' if forced else 'no force'} row level security"
        for name in relation.policies:
            if re.fullmatch(r"armature_(tenant|owner|framework)_\d+", name) and (name not in names or name in relation.foreign):
                yield f"drop policy {quoted(name)} on {quoted(table)}"
        there = {*relation.policies} - {*relation.foreign}
        yield from policies(table, names - there, self.names.framework).values()

    def _roles(self, session: Session) -> Iterator[str]:
        (me, superuser, may_create, options, database, _) = session.rows(_ME)[0]
        login = self._login or me
        found = dict(session.rows(_ROLES, self.names.prefix))
        held = {role for (role,) in session.rows(_MEMBERS, login)}
        with_set = " with inherit false, set true" if options else ""
        lacking = []
        for role in self.names.roles.values():
            if role not in found:
                lacking.append(f"create role {quoted(role)} {_ATTRIBUTES}")
            elif found[role]:
                lacking.append(f"alter role {quoted(role)} {_ATTRIBUTES}")
            # Whoever is above all roles needs no membership; a name of its own is needed to be told apart.
            if role not in held and not (superuser and login == me):
                lacking.append(f"grant {quoted(role)} to {quoted(login)}{with_set}")
        if lacking and not session.rows("select 1 from pg_roles where rolname = $1", login):
            raise _refused(
                database, f"there is no role {login}, as whom the system will log in", f"create role {quoted(login)} login"
            )
        if lacking and not may_create:
            cure = f"let an administrator run: {'; '.join(lacking)}; or migrate as a role with `createrole`"
            raise _refused(database, f"{me} may not create roles, and lanes are missing", cure)
        yield from lacking

    def _schema(self, session: Session) -> Iterator[str]:
        schema = session.rows("select current_schema()")[0][0]
        found = {role for (role,) in session.rows("select rolname::text from pg_roles")}
        for role in self.names.roles.values():
            used, creates = session.rows(_SCHEMA, role)[0] if role in found else (False, False)
            if not used:
                yield f"grant usage on schema {quoted(schema)} to {quoted(role)}"
            if creates:
                yield f"revoke create on schema {quoted(schema)} from public, {quoted(role)}"

    def _functions(self, session: Session) -> Iterator[str]:
        for name, signature, definer, callers in session.rows(_FUNCTIONS, self.names.prefix):
            module = self.names.module_of(name)
            if module is None:
                continue
            if module == FRAMEWORK:
                wanted = {*self.names.roles.values()} if definer else {self.names.framework}
            else:
                wanted = {self.names.roles[module], self.names.framework}
                if definer:
                    # It would reach whatever its owner does, a neighbour's rows among them.
                    yield f"alter routine {signature} security invoker"
            for role in sorted({*callers} - wanted):
                yield f"revoke execute on routine {signature} from {role if role == 'public' else quoted(role)}"
            for role in sorted(wanted - {*callers}):
                yield f"grant execute on routine {signature} to {quoted(role)}"


def _relations(session: Session, names: LaneNames) -> list[Relation]:
    rights: dict[str, dict[str, frozenset[str]]] = {}
    for name, role, held in session.rows(_RIGHTS, names.prefix):
        rights.setdefault(name, {})[role] = frozenset(held)
    return [
        Relation(name, kind, secured, forced, has_tenant, invoker, tuple(found), tuple(foreign), rights.get(name, {}))
        for name, kind, secured, forced, has_tenant, invoker, found, foreign in session.rows(_RELATIONS, names.framework)
    ]


def _listed(rights: frozenset[str]) -> str:
    return ", ".join(sorted(right.lower() for right in rights))


def _refused(database: str, text: str, cure: str) -> SchemaRefused:
    return SchemaRefused(Trouble(f"database {database}", 0, text, cure))
