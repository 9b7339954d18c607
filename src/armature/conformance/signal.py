"""The laws of port `signal` as tests: subclass `SignalLaws`, hand out two adapters on one server, and pytest does the rest.

An adapter with a server of its own also subclasses `SignalServerLaws`, which breaks connections by stopping that server.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Protocol

import pytest

from armature.kernel.refusals import Unavailable
from armature.ports.signal import Signal

__all__ = ["SignalLaws", "SignalServerLaws", "StoppedServer"]

# Only a bug takes so long.
_SECONDS_MAX = 20.0


class StoppedServer(Protocol):
    """What the laws need of a server: `armature.testing.servers` has them."""

    def kill9(self) -> None:
        """Kill it."""
        ...

    def start(self) -> None:
        """Start it on the same port."""
        ...

    def pause(self) -> None:
        """Freeze it."""
        ...

    def resume(self) -> None:
        """Let it go on."""
        ...


class SignalLaws:
    """Override `make`: two adapters that are not yet open, as two processes on one server would have them."""

    def make(self) -> tuple[Signal, Signal]:
        """Build two adapters on one server."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _loop(self) -> Iterator[None]:
        with asyncio.Runner() as self.runner:
            yield

    async def opened(self, stack: AsyncExitStack) -> tuple[Signal, Signal]:
        """Open both; they are closed with the stack."""
        both = self.make()
        for one in both:
            await one.open()
            stack.push_async_callback(one.close)
        return both

    def test_law_1_what_is_sent_after_listen_has_returned_arrives_also_from_another_process(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there = await self.opened(stack)
                for number in range(300):
                    subject = f"law1.{number}"
                    listener = await here.listen(subject)
                    await there.send(f"other.{number}")
                    await there.send(subject, b"%d" % number)
                    assert await listener.next(_SECONDS_MAX) == b"%d" % number
                    await listener.close()

        self.runner.run(story())

    def test_law_1_a_second_listener_of_a_subject_begins_as_surely_as_the_first(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there = await self.opened(stack)
                first = await here.listen("law1.second")
                for number in range(20):
                    second = await here.listen("law1.second")
                    await there.send("law1.second", b"%d" % number)
                    assert await second.next(_SECONDS_MAX) == b"%d" % number
                    assert await first.next(_SECONDS_MAX) == b"%d" % number
                    await second.close()

        self.runner.run(story())

    def test_law_2_a_full_backlog_drops_the_oldest_and_counts(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there = await self.opened(stack)
                listener = await here.listen("law2", backlog=3)
                witness = await here.listen("law2", backlog=100)
                for number in range(10):
                    await there.send("law2", b"%d" % number)
                for number in range(10):
                    assert await witness.next(_SECONDS_MAX) == b"%d" % number
                async with asyncio.timeout(_SECONDS_MAX):
                    while listener.lost < 7:  # noqa: ASYNC110  (the two listeners are filled one after the other)
                        await asyncio.sleep(0.001)
                assert [await listener.next(_SECONDS_MAX) for _ in range(3)] == [b"7", b"8", b"9"]
                assert (listener.lost, witness.lost) == (7, 0)
                assert await listener.next(0.0) is None

        self.runner.run(story())

    def test_law_3_every_listener_of_the_subject_hears_it_and_nobody_else(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there = await self.opened(stack)
                hears = [await one.listen("law3.a") for one in (here, here, there)]
                others = [await one.listen(name) for one in (here, there) for name in ("law3", "law3.b", "law3.a.c", "law3.ab")]
                await here.send("law3.a", b"word")
                assert [await one.next(_SECONDS_MAX) for one in hears] == [b"word"] * 3
                # What is sent afterwards over the same way arrives after whatever there was.
                for one in others:
                    assert await one.next(0.0) is None
                for name in ("law3", "law3.b", "law3.a.c", "law3.ab"):
                    await here.send(name, name.encode())
                got = [await one.next(_SECONDS_MAX) for one in others]
                assert got == [b"law3", b"law3.b", b"law3.a.c", b"law3.ab"] * 2

        self.runner.run(story())

    def test_law_3_a_listener_that_closed_hears_nothing_and_its_neighbour_goes_on(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there = await self.opened(stack)
                gone, stays = await here.listen("law3.gone"), await here.listen("law3.gone")
                await gone.close()
                await gone.close()
                await there.send("law3.gone", b"word")
                assert await stays.next(_SECONDS_MAX) == b"word"
                assert await gone.next(0.0) is None
                await stays.close()
                again = await here.listen("law3.gone")
                await there.send("law3.gone", b"more")
                assert await again.next(_SECONDS_MAX) == b"more"

        self.runner.run(story())

    def test_law_5_sending_waits_for_nobody(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there = await self.opened(stack)
                listener = await here.listen("law5", backlog=1)
                for _ in range(500):
                    await there.send("law5", b"x" * 1_000)
                await there.send("law5.nobody")
                assert await listener.next(_SECONDS_MAX) is not None

        self.runner.run(story())

    def test_law_5_a_port_that_is_not_open_refuses(self) -> None:
        async def story() -> None:
            here, _ = self.make()
            with pytest.raises(Unavailable):
                await here.send("law5.closed")
            await here.open()
            await here.send("law5.closed")
            await here.close()
            await here.close()
            with pytest.raises(Unavailable):
                await here.send("law5.closed")
            with pytest.raises(Unavailable):
                await here.listen("law5.closed")

        self.runner.run(story())


class SignalServerLaws(SignalLaws):
    """For adapters with a server, one that nobody else uses."""

    def server(self) -> StoppedServer:
        """Return the server of `make`."""
        raise NotImplementedError

    def test_law_1_listen_returns_only_when_the_server_has_confirmed(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, _ = await self.opened(stack)
                self.server().pause()
                try:
                    listening = asyncio.create_task(here.listen("law1.confirmed"))
                    # Turns of the loop in which one that asks nobody would have returned long ago.
                    done, _ = await asyncio.wait((listening,), timeout=0.1)
                finally:
                    self.server().resume()
                assert not done, "the subscription was not confirmed"
                assert await (await listening).next(0.0) is None

        self.runner.run(story())

    def test_law_4_a_broken_connection_is_made_anew_and_counted(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, there = await self.opened(stack)
                listener, other = await here.listen("law4"), await there.listen("law4.other")
                for _ in range(2):
                    before = listener.lost
                    self.server().kill9()
                    async with asyncio.timeout(_SECONDS_MAX):
                        while listener.lost == before:  # noqa: ASYNC110  (nobody announces it)
                            await asyncio.sleep(0.005)
                    self.server().start()
                    await _sent(there, "law4", b"after")
                    async with asyncio.timeout(_SECONDS_MAX):
                        while await listener.next(0.2) != b"after":
                            await _sent(there, "law4", b"after")
                    while await listener.next(0.2) is not None:
                        pass
                    assert listener.lost > before
                assert await other.next(0.0) is None

        self.runner.run(story())

    def test_law_5_what_cannot_be_sent_is_refused(self) -> None:
        async def story() -> None:
            async with AsyncExitStack() as stack:
                here, _ = await self.opened(stack)
                await here.send("law5.away")
                self.server().kill9()
                try:
                    with pytest.raises(Unavailable):
                        async with asyncio.timeout(_SECONDS_MAX):
                            while True:
                                await here.send("law5.away")
                                await asyncio.sleep(0.005)
                    with pytest.raises(Unavailable):
                        await here.listen("law5.away")
                finally:
                    self.server().start()
                await _sent(here, "law5.away", b"")

        self.runner.run(story())


async def _sent(signal: Signal, subject: str, payload: bytes) -> None:
    """Send as soon as the connection stands again."""
    async with asyncio.timeout(_SECONDS_MAX):
        while True:
            try:
                return await signal.send(subject, payload)
            except Unavailable:
                await asyncio.sleep(0.01)
