"""How the module is put together. Read this first."""

from armature import Module, Needs
from modules.counter.contract import Counters
from modules.quota.reactions import Settle
from modules.quota.repository import QuotaRepository
from modules.quota.service import QuotaService


class QuotaNeeds(Needs, frozen=True):
    """Whom quotas ask: a stand-in for the neighbour, wherever that one lives."""

    counters: Counters


def build(needs: QuotaNeeds) -> Module:
    """Plain constructors; the runtime calls this once at start."""
    quotas = QuotaRepository()
    return Module("quota", offers=[QuotaService(quotas, needs.counters)], reactions=[Settle(quotas)])
