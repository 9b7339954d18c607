"""How the tally is put together."""

from modules.tally.reactions import Count
from modules.tally.service import TallyService

from armature import Module, Needs


def build(needs: Needs) -> Module:
    """Plain constructors."""
    return Module("tally", offers=[TallyService()], reactions=[Count()])
