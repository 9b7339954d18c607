"""How the pier is put together."""

from modules.pier.service import PierService

from armature import Module, Needs


class PierNeeds(Needs):
    """Nothing."""


def build(needs: PierNeeds) -> Module:
    """Plain constructors."""
    return Module("pier", offers=[PierService()])
