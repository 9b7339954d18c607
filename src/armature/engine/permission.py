"""Who may call: deny by default, decided from the operation's permission and the caller's."""

from armature.engine.call import NOBODY, Call
from armature.kernel.refusals import Forbidden, Unauthenticated

__all__ = ["authorise"]


def authorise(permission: str | None, call: Call) -> None:
    """Refuse a caller who is unknown or may not. Without a permission the operation is public."""
    if permission is not None and not call.identity.may(permission):
        if call.identity is NOBODY or not call.identity.actor:
            raise Unauthenticated
        raise Forbidden(permission=permission)
