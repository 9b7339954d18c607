"""The laws of port `links` as tests: subclass `LinkLaws`, hand out adapters on one ground, and pytest does the rest."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sized
from contextlib import AsyncExitStack

import pytest

from armature.ports.links import LinkError, LinkLate, LinkLost, LinkRefused, Links, NotSent

__all__ = ["LinkLaws"]

# Only a bug takes so long.
_SECONDS_MAX = 20.0
_BYTES_MAX = 262_144
_ASKERS = 12


async def _echo(message: bytes) -> bytes:
    return b"echo " + message


async def _grown(fate: Sized, size: int) -> None:
    """Let the askers go on until they have asked so much."""
    while len(fate) < size:  # noqa: ASYNC110  (nobody announces it)
        await asyncio.sleep(0.002)


class LinkLaws:
    """Override `make`: an asker or an answerer, not yet open; all that one test makes are on one ground."""

    bytes_max = _BYTES_MAX
    dies_silently = False
    """True where the death of an answerer is known only by its silence."""

    def make(self, process: str) -> Links:
        """Build one; processes `a1`, `a2` answer for module `alpha`, `b` for `beta`; `asker` answers nobody."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def _loop(self) -> Iterator[None]:
        with asyncio.Runner() as self.runner:
            yield

    async def opened(self, stack: AsyncExitStack, process: str) -> Links:
        """Open one; it is closed with the stack."""
        links = self.make(process)
        await links.open()
        stack.push_async_callback(links.close)
        return links

    def story(self, tell: Callable[[AsyncExitStack], Awaitable[None]]) -> None:
        """Run a story, and close all that it opened."""

        async def run() -> None:
            async with AsyncExitStack() as stack, asyncio.timeout(_SECONDS_MAX * 3):
                await tell(stack)

        self.runner.run(run())

    def test_law_1_each_answer_belongs_to_its_message(self) -> None:
        async def tell(stack: AsyncExitStack) -> None:
            there, asker = await self.opened(stack, "a1"), await self.opened(stack, "asker")

            async def later(message: bytes) -> bytes:
                await asyncio.sleep(int(message) % 7 / 1_000)
                return b"for " + message

            await there.answer(["alpha"], later)
            answers = await asyncio.gather(*(asker.ask("alpha", b"%d" % n, _SECONDS_MAX) for n in range(300)))
            assert answers == [b"for %d" % n for n in range(300)]

        self.story(tell)

    def test_law_2_each_message_goes_to_one_of_the_module_and_all_of_them_are_used(self) -> None:
        async def tell(stack: AsyncExitStack) -> None:
            seen: Counter[str] = Counter()

            def counting(name: str) -> Callable[[bytes], Awaitable[bytes]]:
                async def respond(message: bytes) -> bytes:
                    seen[name] += 1
                    return name.encode()

                return respond

            for process, module in (("a1", "alpha"), ("a2", "alpha"), ("b", "beta")):
                await (await self.opened(stack, process)).answer([module], counting(process))
            asker = await self.opened(stack, "asker")
            for _ in range(100):
                await asker.ask("alpha", b"", _SECONDS_MAX)
            assert await asker.ask("beta", b"", _SECONDS_MAX) == b"b"
            assert seen.total() == 101
            assert seen["b"] == 1
            assert min(seen["a1"], seen["a2"]) >= 20

        self.story(tell)

    def test_law_3_nobody_there_is_told_at_once(self) -> None:
        async def tell(stack: AsyncExitStack) -> None:
            asker = await self.opened(stack, "asker")
            with pytest.raises(NotSent, match="alpha"):
                await asker.ask("alpha", b"hello", 3_600.0)

        self.story(tell)

    def test_law_4_silence_ends_with_the_time_of_the_asker(self) -> None:
        async def tell(stack: AsyncExitStack) -> None:
            there, asker = await self.opened(stack, "a1"), await self.opened(stack, "asker")
            never = asyncio.Event()

            async def silent(message: bytes) -> bytes:
                await never.wait()
                return b""

            await there.answer(["alpha"], silent)
            with pytest.raises(LinkLate):
                await asker.ask("alpha", b"", 0.3)
            never.set()

        self.story(tell)

    def test_law_4_an_answerer_that_dies_with_the_message_is_noticed(self) -> None:
        async def tell(stack: AsyncExitStack) -> None:
            there, asker = await self.opened(stack, "a1"), await self.opened(stack, "asker")
            has_it, never = asyncio.Event(), asyncio.Event()

            async def silent(message: bytes) -> bytes:
                has_it.set()
                await never.wait()
                return b""

            await there.answer(["alpha"], silent)
            asking = asyncio.create_task(asker.ask("alpha", b"", 1.0 if self.dies_silently else 3_600.0))
            await has_it.wait()
            await there.close()
            with pytest.raises(LinkLost) as told:
                await asking
            assert isinstance(told.value, LinkLate) == self.dies_silently

        self.story(tell)

    def test_law_5_who_leaves_finishes_what_is_in_hand_and_gets_nothing_new(self) -> None:
        async def tell(stack: AsyncExitStack) -> None:
            there, asker = await self.opened(stack, "a1"), await self.opened(stack, "asker")
            has_it, go = asyncio.Event(), asyncio.Event()

            async def slow(message: bytes) -> bytes:
                has_it.set()
                await go.wait()
                return b"done"

            await there.answer(["alpha"], slow)
            asking = asyncio.create_task(asker.ask("alpha", b"", _SECONDS_MAX))
            await has_it.wait()
            leaving = asyncio.create_task(there.leave())
            while not await self._refused(asker):  # noqa: ASYNC110  (the answerer's leaving is looked for)
                await asyncio.sleep(0.01)
            go.set()
            assert await asking == b"done"
            await leaving

        self.story(tell)

    def test_law_5_who_leaves_costs_nobody_an_answer_while_another_stays(self) -> None:
        async def tell(stack: AsyncExitStack) -> None:
            ran: Counter[bytes] = Counter()
            fate: dict[bytes, str] = {}

            async def respond(message: bytes) -> bytes:
                ran[message] += 1
                await asyncio.sleep(0.001)
                return message

            first, second = await self.opened(stack, "a1"), await self.opened(stack, "a2")
            for one in (first, second):
                await one.answer(["alpha"], respond)
            asker, gone = await self.opened(stack, "asker"), asyncio.Event()

            async def ask(number: int) -> None:
                while not gone.is_set():
                    message = b"%d of %d" % (len(fate), number)
                    fate[message] = "asked"
                    try:
                        assert await asker.ask("alpha", message, _SECONDS_MAX) == message
                        fate[message] = "answered"
                    except NotSent:
                        fate[message] = "not sent"
                        await asyncio.sleep(0.002)
                    except LinkError as error:
                        fate[message] = f"{type(error).__name__}: {error}"

            asking = [asyncio.create_task(ask(number)) for number in range(_ASKERS)]
            await _grown(fate, 5 * _ASKERS)
            await first.leave()
            await first.close()
            await _grown(fate, len(fate) + 5 * _ASKERS)
            cost = set(fate.values()) - {"asked", "answered"}
            assert not cost, cost
            # Nobody stays: what is not answered was certainly not begun.
            await second.leave()
            await second.close()
            gone.set()
            await asyncio.gather(*asking)
            cost = set(fate.values()) - {"answered", "not sent"}
            assert not cost, cost
            assert ran == Counter(message for message, told in fate.items() if told == "answered")

        self.story(tell)

    async def _refused(self, asker: Links) -> bool:
        asking = asyncio.ensure_future(asker.ask("alpha", b"", 0.2))
        try:
            await asking
        except NotSent:
            return True
        except LinkError:
            return False
        raise AssertionError("it was answered while the first message was in hand")

    def test_law_6_what_is_too_large_is_refused_and_the_link_stays_usable(self) -> None:
        async def tell(stack: AsyncExitStack) -> None:
            there, asker = await self.opened(stack, "a1"), await self.opened(stack, "asker")

            async def grown(message: bytes) -> bytes:
                return b"x" * int(message)

            await there.answer(["alpha"], grown)
            with pytest.raises(LinkRefused, match="bytes"):
                await asker.ask("alpha", b"1" * (self.bytes_max + 1), _SECONDS_MAX)
            with pytest.raises(LinkRefused, match="bytes"):
                await asker.ask("alpha", b"%d" % (self.bytes_max + 1), _SECONDS_MAX)
            assert len(await asker.ask("alpha", b"%d" % self.bytes_max, _SECONDS_MAX)) == self.bytes_max

        self.story(tell)

    def test_law_7_an_answerer_that_comes_back_is_used_again(self) -> None:
        async def tell(stack: AsyncExitStack) -> None:
            asker = await self.opened(stack, "asker")
            for _ in range(3):
                there = await self.opened(stack, "a1")
                await there.answer(["alpha"], _echo)
                while True:
                    try:
                        assert await asker.ask("alpha", b"hello", _SECONDS_MAX) == b"echo hello"
                        break
                    except NotSent:
                        await asyncio.sleep(0.01)
                await there.close()

        self.story(tell)
