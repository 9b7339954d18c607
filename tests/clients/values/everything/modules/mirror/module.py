"""How things are put together."""

from modules.mirror.service import MirrorService

from armature import Module, Needs


class MirrorNeeds(Needs):
    """Nothing."""


def build(needs: MirrorNeeds) -> Module:
    """Plain constructors."""
    return Module("mirror", offers=[MirrorService()])
