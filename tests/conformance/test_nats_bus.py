"""JetStream keeps the laws of a bus, over kills and lost stores too."""

import asyncio

import pytest
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig

from armature.adapters.nats.bus import NatsBus
from armature.adapters.nats.connection import NatsConnection
from armature.adapters.nats.frames import FastClient, supported
from armature.adapters.nats.settings import NatsSettings, agree, covering
from armature.conformance.bus import BusLaws
from armature.conformance.bus_crash import BusCrashLaws, Server
from armature.conformance.bus_world import Bounds, events
from armature.ports.bus import Bus, BusRefused
from armature.testing.servers import LocalNats

pytestmark = pytest.mark.slow


def _bus(server: LocalNats, installation: str, bounds: Bounds = Bounds()) -> NatsBus:
    room = bounds.room * 1_500 if bounds.room else 1 << 28
    return NatsBus(NatsConnection(server.url), installation, NatsSettings(bytes_max=room, dedupe_seconds=bounds.dedupe_seconds))


class TestNatsBus(BusLaws):
    @pytest.fixture(autouse=True)
    def server(self, nats: LocalNats) -> None:
        self.running = nats

    def bus(self, installation: str, bounds: Bounds) -> Bus:
        return _bus(self.running, installation, bounds)


class TestNatsBusCrash(BusCrashLaws):
    def make_server(self) -> Server:
        return LocalNats()

    def make_bus(self, server: Server) -> Bus:
        assert isinstance(server, LocalNats)
        return _bus(server, "crash")


def test_the_client_still_is_what_the_fast_frames_rely_on(nats: LocalNats) -> None:
    async def story() -> None:
        client = FastClient()
        await client.connect(nats.url)
        assert supported(client)
        await client.close()

    asyncio.run(story())


def test_acks_come_by_the_short_way(nats: LocalNats) -> None:
    """The other way is right too, and three times as slow: nobody would notice."""

    async def story() -> None:
        bus = _bus(nats, "short")
        await bus.open()
        assert bus._publisher is not None
        slow: list[object] = []

        async def heard(message: object) -> None:
            slow.append(message)

        bus._publisher._subscription._cb = heard
        assert await bus.publish(events(1, 1_000)) == 1_000
        assert slow == []
        await bus.close()

    asyncio.run(story())


def test_a_setting_that_the_server_ignores_is_refused_by_name(nats: LocalNats) -> None:
    """2.9 takes several filters without a word and keeps none; newer servers keep them, and then nothing may be refused."""

    async def story() -> None:
        bus = _bus(nats, "ignored")
        await bus.open()
        js = bus._connection.client.jetstream()
        asked = ConsumerConfig(
            durable_name="g", ack_policy=AckPolicy.EXPLICIT, filter_subjects=["ignored.v1.event.*.a", "ignored.v1.event.*.b"]
        )
        info = await js.add_consumer("ignored_v1_events", asked)
        if info.config.filter_subjects == asked.filter_subjects:
            agree("consumer g", asked.as_dict(), info.config.as_dict())
        else:
            with pytest.raises(BusRefused, match="consumer g: asked for filter_subjects="):
                agree("consumer g", asked.as_dict(), info.config.as_dict())
        await bus.close()

    asyncio.run(story())


def test_a_setting_that_the_server_changes_is_refused_by_name(nats: LocalNats) -> None:
    """The server makes "without bound" of no bytes, and half a minute of no time."""

    async def story() -> None:
        with pytest.raises(BusRefused, match=r"stream changed_v1_events: asked for max_bytes=0, the server made it -1"):
            await NatsBus(NatsConnection(nats.url), "changed", NatsSettings(bytes_max=0)).open()
        bus = _bus(nats, "changed")
        await bus.open()
        with pytest.raises(BusRefused, match="consumer g: asked for ack_wait=0"):
            await bus.subscribe("g", [], ack_seconds=0)
        await bus.close()

    asyncio.run(story())


def test_a_stream_that_cannot_become_ours_is_refused(nats: LocalNats) -> None:
    async def story() -> None:
        connection = NatsConnection(nats.url)
        await connection.open()
        config = StreamConfig(name="taken_v1_events", subjects=["taken.v1.event.>"], retention=RetentionPolicy.WORK_QUEUE)
        await connection.client.jetstream().add_stream(config)
        with pytest.raises(BusRefused, match="stream taken_v1_events.*retention"):
            await _bus(nats, "taken").open()
        await connection.close()

    asyncio.run(story())


def test_a_stream_with_other_bounds_is_brought_in_line(nats: LocalNats) -> None:
    async def story() -> None:
        for seconds in (120.0, 60.0):
            bus = _bus(nats, "line", Bounds(dedupe_seconds=seconds))
            await bus.open()
            info = await bus._connection.client.jetstream().stream_info("line_v1_events")
            assert info.config.duplicate_window == seconds
            await bus.close()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("types", "subject"),
    [
        ([], "s.v1.event.*.>"),
        (["a.b"], "s.v1.event.*.a.b"),
        (["a.b", "a.c"], "s.v1.event.*.a.>"),
        (["a.b", "a.b.c"], "s.v1.event.*.a.>"),
        (["a", "b.c"], "s.v1.event.*.>"),
    ],
)
def test_one_subject_covers_all_types(types: list[str], subject: str) -> None:
    assert covering("s", types) == subject
