"""How the clerk is put together."""

from modules.clerk.service import ClerkService
from modules.rack.contract import Rack

from armature import Module, Needs


class ClerkNeeds(Needs):
    """Whom the clerk asks."""

    rack: Rack


def build(needs: ClerkNeeds) -> Module:
    """Plain constructors."""
    return Module("clerk", offers=[ClerkService(needs.rack)])
