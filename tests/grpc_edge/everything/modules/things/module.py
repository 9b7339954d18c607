"""How things are put together."""

from modules.things.service import ThingsService

from armature import Module, Needs


class ThingsNeeds(Needs):
    """Nothing."""


def build(needs: ThingsNeeds) -> Module:
    """Plain constructors."""
    return Module("things", offers=[ThingsService()])
