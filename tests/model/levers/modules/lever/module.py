"""How levers are put together."""

from modules.lever.projections import Lines, Strict
from modules.lever.service import LeverService

from armature import Http, Module, Needs


class LeverNeeds(Needs):
    """The outside world."""

    http: Http


def build(needs: LeverNeeds) -> Module:
    """Plain constructors."""
    return Module("lever", offers=[LeverService(needs.http)], projections=[Lines(), Strict()])
