"""The laws of port `bus` as tests: subclass `BusLaws`, build your bus, and pytest does the rest. What only a server can show
(kills, restarts, lost stores) is in `armature.conformance.bus_crash`."""

import asyncio
import time
from uuid import uuid4

import pytest
from msgspec.structs import replace

from armature.conformance.bus_world import CHANGED, CREATED, Bounds, drained, event, events, positions, prove, take, world
from armature.kernel.refusals import Unavailable
from armature.ports.bus import Bus, Message, Unpublishable

__all__ = ["BusLaws"]

_ROOMY = Bounds()
# Servers measure their own time; a delay may end this much earlier on our clock.
_CLOCKS_SECONDS = 0.05
_LONG_SECONDS = 60.0


class BusLaws:
    """Override `bus`."""

    def bus(self, installation: str, bounds: Bounds) -> Bus:
        """Build a bus, not yet open. Those of one installation share a stream, on a broker that outlives them."""
        raise NotImplementedError

    # 1. order and count

    def test_1_messages_are_stored_in_order_and_counted(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                member = await there.b.subscribe("g", [CHANGED], in_order=False)
                sent = events(1, 1_300)
                counts = [await there.a.publish(part) for part in (sent[:1], sent[1:700], sent[700:], [])]
                assert counts == [1, 699, 600, 0]
                assert await drained(member, 1_300) == sent

        prove(law())

    def test_1_batches_that_are_published_at_once_keep_their_own_order(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                member = await there.b.subscribe("g", [CHANGED], in_order=False)
                sent = events(1, 400)
                parts = [sent[at : at + 100] for at in range(0, 400, 100)]
                assert await asyncio.gather(*map(there.a.publish, parts)) == [100] * 4
                found = [message.position for message in await drained(member, 400)]
                assert all(
                    [p for p in found if p in range(at + 1, at + 101)] == [*range(at + 1, at + 101)] for at in (0, 100, 200, 300)
                )

        prove(law())

    def test_1_a_message_arrives_as_it_was_sent(self) -> None:
        async def law() -> None:
            odd = 'a\r\nNats-Msg-Id: 1\r\n\r\n \t"ü€\x00\x7f.*> '
            whole = Message(
                uuid4(), odd, 1, 2**53, CHANGED, 7, odd, odd, None, b"\x00\r\n\xff", odd, odd, odd, odd, event(1).occurred_at
            )
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                member = await there.b.subscribe("g", [CHANGED])
                empty = event(2, payload=b"")
                assert await there.a.publish([whole, empty]) == 2
                assert await drained(member, 2) == [whole, empty]

        prove(law())

    def test_1_a_batch_that_does_not_fit_leaves_no_hole(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, Bounds(room=40))) as there:
                member = await there.b.subscribe("g", [CHANGED], in_order=False)
                # On a broker that counts bytes the one in the middle has no room, and those behind it would have.
                sizes = [1_000] * 20 + [50_000] + [100] * 9
                sent = [event(at, payload=b"x" * size) for at, size in enumerate(sizes)]
                count = await there.a.publish(sent)
                assert count >= 20
                assert await drained(member, count) == sent[:count]

        prove(law())

    # 2. duplicates

    def test_2_an_event_that_is_published_again_is_stored_once_and_counts(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                member = await there.b.subscribe("g", [CHANGED], in_order=False)
                sent = events(1, 8)
                assert await there.a.publish(sent[:5]) == 5
                assert await there.b.publish(sent[:5]) == 5
                assert await there.b.publish(sent[2:]) == 6
                assert await drained(member, 8) == sent

        prove(law())

    def test_2_an_event_of_another_epoch_is_another_message(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                member = await there.b.subscribe("g", [CHANGED], in_order=False)
                sent = events(1, 3)
                later = [replace(one, epoch=one.epoch + 1) for one in sent]
                assert await there.a.publish(sent) == 3
                assert await there.a.publish(later) == 3
                assert await there.a.publish(sent) == 3
                assert await drained(member, 6) == [*sent, *later]

        prove(law())

    def test_2_an_event_is_stored_again_when_the_window_is_over(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, Bounds(dedupe_seconds=0.2))) as there:
                member = await there.b.subscribe("g", [CHANGED], in_order=False)
                sent = events(1, 2)
                await there.a.publish(sent)
                last = (await there.a.tail()).last
                async with asyncio.timeout(_LONG_SECONDS):
                    while (await there.a.tail()).last == last:
                        assert await there.a.publish(sent) == 2
                        await asyncio.sleep(0.05)
                assert await drained(member, (await there.a.tail()).last - last + 2) != sent

        prove(law())

    # 3. what cannot be published

    @pytest.mark.parametrize(
        "flaw", [{"payload": b"x" * 2_000_000}, {"type": "counter changed"}, {"type": ""}, {"tenant": "t" * 5_000}]
    )
    def test_3_a_hopeless_message_is_named_and_those_before_it_are_stored(self, flaw: dict[str, str]) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                member = await there.b.subscribe("g", [CHANGED], in_order=False)
                sent = events(1, 300)
                bad = event(0, **flaw)  # type: ignore[arg-type]
                for index in (0, 2, 290):
                    with pytest.raises(Unpublishable) as caught:
                        await there.a.publish([*sent[:index], bad, *sent[index:]])
                    assert caught.value.index == index
                assert await drained(member, 290) == sent[:290]
                assert await there.a.publish(sent[290:]) == 10

        prove(law())

    @pytest.mark.slow
    def test_3_a_full_broker_refuses_and_drops_nothing_it_acknowledged(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, Bounds(room=40))) as there:
                member = await there.b.subscribe("g", [CHANGED], in_order=False)
                sent: list[Message] = []
                with pytest.raises(Unavailable):
                    while len(sent) < 2_000:
                        batch = [event(len(sent) + n, payload=b"x" * 1_000) for n in range(16)]
                        sent += batch[: await there.a.publish(batch)]
                assert len(sent) >= 20
                assert await drained(member, len(sent)) == sent
                # Room is made of what every group is done with, and only then.
                more = [event(5_000 + n, payload=b"x" * 1_000) for n in range(16)]
                until = time.monotonic() + _LONG_SECONDS
                while not await _published(there.a, more):
                    assert time.monotonic() < until, "no room was made"
                assert (await drained(member, 16)) == more

        prove(law())

    def test_3_a_bus_that_is_not_open_is_unavailable(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                await there.a.close()
                await there.a.close()
                if there.b.__class__.__name__ != "MemoryBus":
                    with pytest.raises(Unavailable):
                        await there.a.publish([event(1)])
                await there.a.open()
                assert await there.a.publish([event(1)]) == 1

        prove(law())

    # 4. groups

    def test_4_each_group_gets_what_came_after_it_was_made(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                one = await there.a.subscribe("one", [CHANGED], in_order=False)
                sent = events(1, 30)
                await there.a.publish(sent[:10])
                two = await there.b.subscribe("two", [CHANGED], in_order=False)
                late = await there.b.subscribe("late", [CHANGED], in_order=False, oldest=True)
                await there.a.publish(sent[10:])
                assert await drained(one, 30) == sent
                assert await drained(two, 20) == sent[10:]
                assert await drained(late, 30) == sent

        prove(law())

    def test_4_a_group_takes_the_types_it_asked_for(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                both = await there.a.subscribe("both", [CHANGED, CREATED])
                created = await there.a.subscribe("created", [CREATED])
                far = await there.a.subscribe("far", [CREATED, "order.placed", "order.placed.late"])
                types = [CREATED, CHANGED, "counter.deleted", "order.placed", "order.placed.late", "order.lost", CREATED]
                sent = [event(at, type=one, tenant=f"t.{at}") for at, one in enumerate(types)]
                await there.b.publish(sent)
                assert await drained(both, 3) == [sent[0], sent[1], sent[6]]
                assert await drained(created, 2) == [sent[0], sent[6]]
                assert await drained(far, 4) == [sent[0], sent[3], sent[4], sent[6]]

        prove(law())

    def test_4_members_share_a_group(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                one = await there.a.subscribe("g", [CHANGED], in_order=False)
                two = await there.b.subscribe("g", [CHANGED], in_order=False)
                await there.a.publish(events(1, 20))
                first, second = await take(one, 8), await take(two, 100)
                assert sorted(positions(first) + positions(second)) == [*range(1, 21)]
                assert [delivery.attempt for delivery in first + second] == [1] * 20
                assert await one.fetch(100, 0.1) == []
                assert await two.fetch(100, 0) == []

        prove(law())

    def test_4_a_group_goes_on_where_its_last_member_stopped(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                member = await there.a.subscribe("g", [CHANGED])
                sent = events(1, 6)
                await there.b.publish(sent[:4])
                for _ in range(2):
                    await member.ack(await take(member))
                await member.close()
                await there.a.close()
                await there.b.publish(sent[4:])
                again = there.make()
                await again.open()
                assert await drained(await again.subscribe("g", [CHANGED]), 4) == sent[2:]

        prove(law())

    def test_4_a_group_that_was_forgotten_begins_anew(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                await there.a.subscribe("g", [CHANGED])
                await there.a.publish(events(1, 3))
                await there.b.forget("g")
                await there.b.forget("g")
                await there.b.forget("nobody")
                member = await there.a.subscribe("g", [CHANGED])
                sent = events(4, 5)
                await there.a.publish(sent)
                assert await drained(member, 2) == sent

        prove(law())

    def test_4_a_member_that_waits_is_woken(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                member = await there.a.subscribe("g", [CHANGED])
                waiting = asyncio.create_task(member.fetch(1, _LONG_SECONDS))
                await asyncio.sleep(0)
                sent = event(1)
                await there.b.publish([sent])
                (found,) = await asyncio.wait_for(waiting, _LONG_SECONDS / 2)
                assert found.message == sent

        prove(law())

    # 5. abandoned and held

    @pytest.mark.slow
    @pytest.mark.parametrize("in_order", [True, False])
    def test_5_what_is_neither_done_nor_given_back_comes_again(self, in_order: bool) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                one = await there.a.subscribe("g", [CHANGED], in_order=in_order, ack_seconds=1.0)
                two = await there.b.subscribe("g", [CHANGED], in_order=in_order, ack_seconds=1.0)
                await there.a.publish([event(1)])
                began = time.monotonic()
                (first,) = await take(one)
                (second,) = await take(two)
                assert time.monotonic() - began >= 1.0 - _CLOCKS_SECONDS
                assert (second.message, second.attempt) == (first.message, 2)
                await two.ack([second])
                assert await one.fetch(1, 1.5) == []

        prove(law())

    @pytest.mark.slow
    @pytest.mark.parametrize("in_order", [True, False])
    def test_5_what_is_held_comes_to_nobody(self, in_order: bool) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                one = await there.a.subscribe("g", [CHANGED], in_order=in_order, ack_seconds=2.0)
                two = await there.b.subscribe("g", [CHANGED], in_order=in_order, ack_seconds=2.0)
                await there.a.publish([event(1)])
                (held,) = await take(one)
                for _ in range(6):
                    assert await two.fetch(1, 0.5) == []
                    last = time.monotonic()
                    await one.hold(held)
                (again,) = await take(two)
                assert time.monotonic() - last >= 2.0 - _CLOCKS_SECONDS
                assert again.attempt == 2

        prove(law())

    # 6. given back

    @pytest.mark.slow
    @pytest.mark.parametrize("in_order", [True, False])
    @pytest.mark.parametrize("ack_seconds", [0.5, 30.0])
    def test_6_what_is_given_back_comes_after_its_delay(self, in_order: bool, ack_seconds: float) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                member = await there.a.subscribe("g", [CHANGED], in_order=in_order, ack_seconds=ack_seconds)
                await there.a.publish([event(1)])
                (first,) = await take(member)
                began = time.monotonic()
                await member.retry(first, 1.5)
                (second,) = await take(member)
                assert time.monotonic() - began >= 1.5 - _CLOCKS_SECONDS
                assert (second.message, second.attempt) == (first.message, 2)
                await member.retry(second, 0)
                (third,) = await take(member)
                assert third.attempt == 3
                await member.ack([third])
                assert await member.fetch(1, 1.0) == []

        prove(law())

    # 7. in order

    def test_7_a_group_in_order_has_one_message_in_hand(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                one = await there.a.subscribe("g", [CHANGED])
                two = await there.b.subscribe("g", [CHANGED])
                await there.a.publish(events(1, 3))
                found = await take(one, 10)
                assert positions(found) == [1]
                assert await one.fetch(10, 0.2) == []
                assert await two.fetch(10, 0.2) == []
                await one.ack(found)
                assert positions(await take(two, 10)) == [2]

        prove(law())

    @pytest.mark.slow
    def test_7_in_order_a_repeat_comes_before_its_successors(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                member = await there.a.subscribe("g", [CHANGED], ack_seconds=1.0)
                await there.a.publish(events(1, 4))
                seen = []
                for turn in ("retry", "ack", "abandon", "ack", "ack", "ack"):
                    (found,) = await take(member, 10)
                    seen.append((found.message.position, found.attempt))
                    if turn == "ack":
                        await member.ack([found])
                    elif turn == "retry":
                        await member.retry(found, 0.2)
                assert seen == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (4, 1)]

        prove(law())

    # 8. tail

    def test_8_the_tail_tells_the_broker_and_the_newest_position(self) -> None:
        async def law() -> None:
            async with world(lambda name: self.bus(name, _ROOMY)) as there:
                empty = await there.a.tail()
                assert (empty.last, empty.epoch, empty.position) == (0, 0, 0)
                # Names need not be ASCII, and the newest event may have one.
                await there.a.publish([*events(11, 12), event(13, tenant="brûlerie 珈琲")])
                tail = await there.b.tail()
                assert (tail.broker, tail.last, tail.epoch, tail.position) == (empty.broker, 3, 3, 13)
                assert await there.a.tail() == tail
            async with world(lambda name: self.bus(name, _ROOMY)) as other:
                assert (await other.a.tail()).broker != tail.broker

        prove(law())


async def _published(bus: Bus, messages: list[Message]) -> bool:
    try:
        return await bus.publish(messages) == len(messages)
    except Unavailable:
        return False
