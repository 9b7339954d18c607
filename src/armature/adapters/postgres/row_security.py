"""The second wall behind the tenant filter: a row of a tenant is visible to nobody who did not name that tenant.

Each transaction says for whom it works (`app.tenants`, an array of texts); a table of tenants shows and takes only their
rows, whatever the statement forgot. The owner is bound too, but for migrations, which say so aloud: `app.migrating`.
"""

from armature.adapters.postgres.grants import is_generation

__all__ = ["TENANTS", "policies", "quoted", "row_security_of"]

# The subselect is worked out once per statement and hashed, so that a row costs one look-up however many tenants share the
# round trip: 0.9 ms for 200 rows of 100 tenants (0.7 without policy), against 3.7 for `= any (…)`, which the planner makes
# 100 searches of the index for each row. An empty setting, which is what remains after a transaction that had one, names
# no tenant instead of failing to be an array (reliability e12).
TENANTS = "tenant_id in (select unnest(nullif(current_setting('app.tenants', true), '')::text[]))"
_MIGRATING = "current_setting('app.migrating', true) = 'on'"

# The number belongs to the form of a policy: a table whose policies are named otherwise gets them anew.
_TENANT, _OWNER, _FRAMEWORK = ("armature_tenant_1", "armature_owner_1", "armature_framework_1")

_KEYS = "armature_keys"


def row_security_of(table: str, *, framework: bool, per_tenant: bool) -> tuple[bool, bool, frozenset[str]]:
    """Return whether a table has row level security, whether it binds its owner, and the names of its policies."""
    if framework:
        # Answers of all tenants in one table; definer functions, which run as the owner, write it for every lane.
        return (True, False, frozenset({_TENANT, _FRAMEWORK})) if table == _KEYS else (False, False, frozenset())
    if not per_tenant:
        return False, False, frozenset()
    own = frozenset({_TENANT, _OWNER})
    # Folds run on the framework's lane and take the events of all tenants in one commit.
    return True, True, own | {_FRAMEWORK} if is_generation(table) else own


def policies(table: str, names: frozenset[str], framework: str) -> dict[str, str]:
    """Return the sentences that create policies, by their names."""
    written = {
        _TENANT: f"to public using ({TENANTS}) with check ({TENANTS})",
        _OWNER: f"to current_user using ({_MIGRATING}) with check ({_MIGRATING})",
        _FRAMEWORK: f"to {quoted(framework)} using (true) with check (true)",
    }
    return {name: f"create policy {name} on {quoted(table)} for all {written[name]}" for name in sorted(names)}


def quoted(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
