"""How rates are put together."""

from modules.rate.service import RateService

from armature import Http, Module, Needs


class RateNeeds(Needs):
    """The way out."""

    http: Http


def build(needs: RateNeeds) -> Module:
    """Plain constructors."""
    return Module("rate", offers=[RateService(needs.http)])
