"""How errands are put together."""

from modules.errand import probe
from modules.errand.reactions import Run
from modules.errand.service import ErrandService

from armature import Module, Needs, Wakeups


class ErrandNeeds(Needs):
    """What waits and what wakes."""

    wakeups: Wakeups


def build(needs: ErrandNeeds) -> Module:
    """Plain constructors."""
    probe.wakeups.append(needs.wakeups)
    return Module("errand", offers=[ErrandService()], reactions=[Run()])
