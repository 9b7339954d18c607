"""How the module is put together. Read this first."""

from armature import Module, Needs
from modules.counter.contract import Counters
from modules.desk.service import DeskService
from modules.quota.contract import Quotas


class DeskNeeds(Needs, frozen=True):
    """Whom the desk asks."""

    counters: Counters
    quotas: Quotas


def build(needs: DeskNeeds) -> Module:
    """Plain constructors; the runtime calls this once at start."""
    return Module("desk", offers=[DeskService(needs.counters, needs.quotas)])
