"""Who calls, in development: two headers that say so, believed only where the environment allows it (laws 12).

`X-Actor` absent: the developer, who may do everything. `X-Actor: ann` with `X-Roles: counter.reader`: somebody with roles.
`X-Actor: none`: nobody. In production the headers are not looked at, and nobody is known until sign-in exists.
"""

import re
from collections.abc import Mapping

from armature.engine.call import NOBODY, Identity
from armature.kernel.failure import FieldError
from armature.kernel.refusals import Invalid

__all__ = ["DevelopmentIdentity", "Known"]

Known = tuple[Identity, str]
"""Who, and of which tenant."""

PUBLIC_TENANT = "public"
_DEVELOPER = Identity("developer", frozenset({"*"}))
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}")
_REMEMBERED_MAX = 10_000


class DevelopmentIdentity:
    """Finds identity and tenant of a request; what was found for the same three headers is remembered."""

    def __init__(self, roles: Mapping[str, list[str]], *, believed: bool) -> None:
        self._roles = {role: frozenset(permissions) for role, permissions in roles.items()}
        self._believed = believed
        self._known: dict[tuple[bytes | None, bytes | None, bytes | None], Known] = {}

    def find(self, headers: Mapping[bytes, bytes]) -> Known:
        """Return who calls; a tenant or actor that is no plain word is refused."""
        if not self._believed:
            return NOBODY, PUBLIC_TENANT
        asked = (headers.get(b"x-actor"), headers.get(b"x-roles"), headers.get(b"x-tenant-id"))
        known = self._known.get(asked)
        if known is None:
            known = self._resolve(*asked)
            if len(self._known) >= _REMEMBERED_MAX:
                self._known.clear()
            self._known[asked] = known
        return known

    def _resolve(self, actor: bytes | None, roles: bytes | None, tenant: bytes | None) -> Known:
        where = PUBLIC_TENANT if tenant is None else _word("X-Tenant-ID", tenant)
        if actor is None and roles is None:
            return _DEVELOPER, where
        name = "developer" if actor is None else _word("X-Actor", actor)
        if name == "none":
            return NOBODY, where
        held: frozenset[str] = frozenset()
        for role in (roles or b"").decode("latin-1").replace(",", " ").split():
            held |= self._roles.get(role, frozenset())
        return Identity(name, held), where


def _word(header: str, value: bytes) -> str:
    text = value.decode("latin-1").strip()
    if not _WORD.fullmatch(text):
        raise Invalid(errors=[FieldError(header, "expected 1 to 64 letters, digits or . _ : @ -, first a letter or digit")])
    return text
