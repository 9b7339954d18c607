"""The laws of port `bus` that only a server can break: it is killed, it hangs, its store is lost or comes back older.

Subclass `BusCrashLaws` and say how to make a server and a bus on it.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from armature.conformance.bus_world import CHANGED, drained, events, positions, prove, take
from armature.kernel.refusals import Unavailable
from armature.ports.bus import Bus, Delivery, Message, Subscription, Tail

__all__ = ["BusCrashLaws", "Server"]

_BACK_SECONDS = 30.0
_SOON_SECONDS = 15.0
_LOOK_SECONDS = 0.05


class Server(Protocol):
    """A server that can be broken."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill9(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...
    def keep(self, copy: Path) -> None: ...
    def roll_back(self, copy: Path) -> None: ...


class BusCrashLaws:
    """Override `make_server` and `make_bus`."""

    def make_server(self) -> Server:
        """A server of this test's own, not yet started."""
        raise NotImplementedError

    def make_bus(self, server: Server) -> Bus:
        """A bus on it; all of one server share a stream."""
        raise NotImplementedError

    @pytest.fixture
    def own(self) -> Iterator[Server]:
        """A running server that the test may break."""
        server = self.make_server()
        server.start()
        try:
            yield server
        finally:
            server.close()

    def test_4_a_kill_of_the_server_loses_nothing_it_acknowledged(self, own: Server) -> None:
        async def law() -> None:
            bus = self.make_bus(own)
            await bus.open()
            member = await bus.subscribe("g", [CHANGED], in_order=False, ack_seconds=3.0)
            sent = events(1, 900)
            acknowledged = 0
            for kill in (300, 600, 900):
                publishing = asyncio.create_task(_publish(bus, sent[acknowledged:kill]))
                await asyncio.sleep(0)
                own.kill9()
                acknowledged += await publishing
                with pytest.raises(Unavailable):
                    await asyncio.wait_for(bus.publish(sent[:1]), _SOON_SECONDS)
                own.start()
                await _back(bus)
                acknowledged += await _publish_all(bus, sent[acknowledged:kill])
                assert acknowledged == kill
            found = await _collected(member, 900)
            assert sorted(found) == [*range(1, 901)]
            await bus.close()

        prove(law())

    def test_4_a_message_in_hand_while_the_server_is_killed_comes_again(self, own: Server) -> None:
        async def law() -> None:
            bus = self.make_bus(own)
            await bus.open()
            member = await bus.subscribe("g", [CHANGED], ack_seconds=1.0)
            await bus.publish(events(1, 3))
            assert positions(await take(member)) == [1]
            own.kill9()
            own.start()
            await _back(bus)
            found = await _patiently(member)
            assert positions(found) == [1]
            await member.ack(found)
            await bus.close()

        prove(law())

    def test_3_a_server_that_hangs_is_unavailable_soon_and_usable_when_it_wakes(self, own: Server) -> None:
        async def law() -> None:
            bus = self.make_bus(own)
            await bus.open()
            sent = events(1, 20)
            await bus.publish(sent[:10])
            own.pause()
            try:
                with pytest.raises(Unavailable):
                    await asyncio.wait_for(bus.publish(sent[10:]), _SOON_SECONDS)
            finally:
                own.resume()
            await _back(bus)
            assert await _publish_all(bus, sent[10:]) == 10
            # The frames of the first attempt may have arrived as well: each event is there once.
            assert (await _back(bus)).last == 20
            await bus.close()

        prove(law())

    def test_8_a_store_that_came_back_older_is_noticed_and_takes_the_lost_ones_again(self, own: Server, tmp_path: Path) -> None:
        async def law() -> None:
            bus = self.make_bus(own)
            await bus.open()
            member = await bus.subscribe("g", [CHANGED], in_order=False, ack_seconds=2.0)
            sent = events(1, 10)
            await bus.publish(sent[:4])
            own.stop()
            own.keep(tmp_path / "older")
            own.start()
            await _back(bus)
            assert await _publish_all(bus, sent[4:]) == 6
            newer = await _back(bus)
            own.stop()
            own.roll_back(tmp_path / "older")
            own.start()
            older = await _back(bus)
            assert (newer.last, newer.position) == (10, 10)
            assert older.broker != newer.broker or older.last < newer.last
            assert older.position == 4
            assert await _publish_all(bus, sent[4:]) == 6
            assert sorted(await _collected(member, 10)) == [*range(1, 11)]
            await bus.close()

        prove(law())

    def test_8_a_store_that_was_lost_is_another_broker_and_its_groups_begin_with_the_oldest(
        self, own: Server, tmp_path: Path
    ) -> None:
        async def law() -> None:
            own.stop()
            own.keep(tmp_path / "empty")
            own.start()
            bus = self.make_bus(own)
            await bus.open()
            member = await bus.subscribe("g", [CHANGED], ack_seconds=2.0)
            sent = events(1, 6)
            await bus.publish(sent)
            before = await bus.tail()
            await member.ack(await take(member))
            own.stop()
            own.roll_back(tmp_path / "empty")
            own.start()
            after = await _back(bus)
            assert after.broker != before.broker
            assert (after.last, after.position) == (0, 0)
            # The relay may be faster than the members: what it publishes before the group is there again is not lost.
            assert await _publish_all(bus, sent) == 6
            assert await drained(member, 6) == sent
            await bus.close()

        prove(law())


async def _publish(bus: Bus, messages: list[Message]) -> int:
    try:
        return await asyncio.wait_for(bus.publish(messages), _SOON_SECONDS)
    except Unavailable:
        return 0


async def _publish_all(bus: Bus, messages: list[Message]) -> int:
    done = 0
    async with asyncio.timeout(_BACK_SECONDS):
        while done < len(messages):
            if taken := await _publish(bus, messages[done:]):
                done += taken
            else:
                # A bus that says so at once would never let go of the loop, and its connection never come back.
                await asyncio.sleep(_LOOK_SECONDS)
    return done


async def _back(bus: Bus) -> Tail:
    """Wait until the bus answers again; it must find its way back by itself."""
    async with asyncio.timeout(_BACK_SECONDS):
        while True:
            try:
                return await bus.tail()
            except Unavailable:
                await asyncio.sleep(_LOOK_SECONDS)


async def _patiently(member: Subscription) -> list[Delivery]:
    async with asyncio.timeout(_BACK_SECONDS):
        while True:
            try:
                if found := await member.fetch(100, 1.0):
                    return found
            except Unavailable:
                await asyncio.sleep(_LOOK_SECONDS)


async def _collected(member: Subscription, wanted: int) -> set[int]:
    """Take and acknowledge until so many different messages were seen; repeats are allowed."""
    seen: set[int] = set()
    while len(seen) < wanted:
        found = await _patiently(member)
        await member.ack(found)
        seen.update(positions(found))
    return seen
