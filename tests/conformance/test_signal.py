"""Each signal adapter keeps the laws of its port."""

from collections.abc import Iterator

import pytest

from armature.adapters.memory.signal import Hub, MemorySignal
from armature.adapters.nats.connection import NatsConnection
from armature.adapters.nats.signal import NatsSignal
from armature.adapters.redis.connection import RedisConnection
from armature.adapters.redis.signal import RedisSignal
from armature.conformance.signal import SignalLaws, SignalServerLaws
from armature.ports.signal import Signal
from armature.testing.servers import LocalNats, LocalRedis


class TestMemorySignal(SignalLaws):
    def make(self) -> tuple[Signal, Signal]:
        hub = Hub()
        return MemorySignal(hub), MemorySignal(hub)


@pytest.mark.slow
class TestNatsSignal(SignalServerLaws):
    @pytest.fixture(autouse=True, scope="class")
    def _own_server(self, request: pytest.FixtureRequest) -> Iterator[None]:
        with LocalNats() as request.cls.own:
            yield

    def make(self) -> tuple[Signal, Signal]:
        return NatsSignal(NatsConnection(self.own.url)), NatsSignal(NatsConnection(self.own.url))

    def server(self) -> LocalNats:
        return self.own


@pytest.mark.slow
class TestRedisSignal(SignalServerLaws):
    @pytest.fixture(autouse=True, scope="class")
    def _own_server(self, request: pytest.FixtureRequest) -> Iterator[None]:
        with LocalRedis() as request.cls.own:
            yield

    def make(self) -> tuple[Signal, Signal]:
        return RedisSignal(RedisConnection(self.own.url)), RedisSignal(RedisConnection(self.own.url))

    def server(self) -> LocalRedis:
        return self.own
