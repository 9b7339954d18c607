"""How a transaction begins: under its module's role, for the tenants of its callers, in one round trip (laws 4.1)."""

from collections.abc import Iterable, Mapping

from armature.adapters.postgres.connection import quoted
from armature.adapters.postgres.values import array_text, literal
from armature.engine.migrations import FRAMEWORK

__all__ = ["Opening"]


class Opening:
    """Knows the walls of one database: `roles` by module, None where modules share the login's."""

    def __init__(self, roles: Mapping[str, str] | None, *, row_security: bool) -> None:
        self._roles = roles
        self.row_security = row_security

    def begin(self, lane: str, tenants: Iterable[str]) -> str:
        """Return what opens a transaction of a lane."""
        # Folds take the events of all tenants in one commit.
        return f"begin; {self.enter(self.role(lane), () if lane == FRAMEWORK else tenants)}"

    def role(self, lane: str) -> str | None:
        """Return a lane's role, None where there are none."""
        if self._roles is None:
            return None
        if lane not in self._roles:
            raise LookupError(f"database: there is no lane for {lane!r}; modules are {', '.join(sorted(self._roles))}")
        return self._roles[lane]

    def enter(self, role: str | None, tenants: Iterable[str]) -> str:
        """Return what gives an open transaction a role and tenants; empty where there are no walls."""
        taking = f"set local role {quoted(role)}; " if role else ""
        if not self.row_security or not tenants:
            return taking
        return f"{taking}select set_config('app.tenants', {literal(array_text(tenants))}, true)"
