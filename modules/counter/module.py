"""How the module is put together. Read this first."""

from armature import Module, Needs
from modules.counter.contract import NameTaken
from modules.counter.projections import CounterHistory, CounterTotals, CounterViews
from modules.counter.repository import CounterRepository
from modules.counter.service import CounterService


def build(needs: Needs) -> Module:
    """Plain constructors; the runtime calls this once at start."""
    service = CounterService(CounterRepository(), CounterViews())
    return Module(
        "counter",
        offers=[service],
        projections=[CounterHistory(), CounterTotals()],
        constraints={"counter_name_taken": NameTaken},
    )
