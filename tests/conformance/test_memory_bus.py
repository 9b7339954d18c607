"""A broker in memory keeps the laws of a bus."""

from armature.adapters.memory.bus import MemoryBroker, MemoryBus
from armature.conformance.bus import BusLaws
from armature.conformance.bus_world import Bounds
from armature.ports.bus import Bus


class TestMemoryBus(BusLaws):
    def bus(self, installation: str, bounds: Bounds) -> Bus:
        brokers: dict[str, MemoryBroker] = self.__dict__.setdefault("brokers", {})
        if installation not in brokers:
            room = {"messages_max": bounds.room} if bounds.room else {}
            brokers[installation] = MemoryBroker(dedupe_seconds=bounds.dedupe_seconds, **room)
        return MemoryBus(brokers[installation])
