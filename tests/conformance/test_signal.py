"""Each signal adapter keeps the laws of its port."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from redis.asyncio.connection import Connection

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

    def test_closing_ends_also_when_the_client_swallows_a_cancellation(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def story() -> None:
            here, _ = self.make()
            await here.open()
            read, swallowed = Connection.read_response, []

            async def read_response(connection: Any, *parts: Any, **more: Any) -> Any:
                try:
                    return await read(connection, *parts, **more)
                except asyncio.CancelledError:
                    if swallowed:
                        raise
                    swallowed.append(True)
                    return None

            monkeypatch.setattr(Connection, "read_response", read_response)
            listener = await here.listen("a")
            await here.send("a")
            assert await listener.next(5.0) is not None
            closing = asyncio.ensure_future(here.close())
            done, _ = await asyncio.wait((closing,), timeout=10.0)
            assert swallowed and done

        self.runner.run(story())
