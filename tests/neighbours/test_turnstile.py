"""What a turnstile remembers: every message for as long as it could come again, and not more messages than it has room for."""

import logging

import pytest

from armature.engine.remote_message import Ask, Forged, Seal, platform_ask
from armature.engine.turnstile import SKEW_SECONDS, Turnstile


class World:
    """An asker and a turnstile, each with a clock."""

    def __init__(self, remembered_max: int = 1_000) -> None:
        self.there = self.here = 1_000_000.0
        self.seal = Seal(b"secret", "shop", lambda: self.there)
        self.turnstile = Turnstile(["shop/pier"], lambda: self.here, remembered_max)

    def question(self, seconds: float = 10.0, module: str = "pier") -> Ask:
        ask = platform_ask(seconds)
        return self.seal.asked(self.seal.ask(ask, module))

    def told(self, ask: Ask) -> str:
        try:
            self.turnstile.admit(ask)
        except Forged as refused:
            assert refused.of == ask.id
            return refused.code
        return "taken"


def test_a_message_is_taken_once_and_as_long_as_its_caller_may_wait_for_it() -> None:
    world = World()
    first, second = world.question(), world.question()
    assert [world.told(one) for one in (first, first, second, second)] == ["taken", "link:repeated"] * 2
    late, too_late = world.question(), world.question()
    world.here += 10 + SKEW_SECONDS - 0.01
    assert [world.told(one) for one in (late, late, first)] == ["taken", "link:repeated", "link:repeated"]
    world.here += 0.02
    assert [world.told(one) for one in (too_late, late, first)] == ["link:stale"] * 3


def test_a_message_from_a_clock_that_is_ahead_is_taken_up_to_the_allowance() -> None:
    world = World()
    world.there += SKEW_SECONDS
    assert world.told(world.question()) == "taken"
    world.there += 1
    assert world.told(world.question()) == "link:stale"


def test_a_message_to_somebody_else_is_not_taken() -> None:
    world = World()
    assert world.told(world.question(module="counter")) == "link:misled"
    world.seal = Seal(b"secret", "other shop", lambda: world.there)
    assert world.told(world.question()) == "link:misled"


def test_what_was_forgotten_is_not_taken_again_when_the_clock_is_set_back() -> None:
    world = World()
    old = world.question()
    assert world.told(old) == "taken"
    world.there, world.here = world.there + 100, world.here + 100
    assert world.told(world.question()) == "taken"
    world.there, world.here = world.there - 100, world.here - 100
    assert world.told(old) == "link:stale"


def test_memory_is_given_back_when_messages_have_become_too_old() -> None:
    world = World(remembered_max=1_000)
    for _ in range(5_000):
        assert world.told(world.question(seconds=1.0)) == "taken"
        world.there = world.here = world.here + 0.1
        assert sum(map(len, world.turnstile._slots.values())) < 600


def test_too_many_messages_are_taken_all_the_same_and_the_oldest_are_forgotten_first(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World(remembered_max=100)
    soon, later = world.question(seconds=1.0), world.question(seconds=60.0)
    with caplog.at_level(logging.WARNING):
        assert [world.told(one) for one in (soon, later)] == ["taken"] * 2
        assert {world.told(world.question(seconds=60.0)) for _ in range(99)} == {"taken"}
    assert world.told(later) == "link:repeated"
    assert "1 messages were forgotten before their time" in caplog.text


def test_no_two_messages_of_a_process_or_of_two_have_the_same_id() -> None:
    world, other = World(), World()
    ids = [one.question().id for _ in range(1_000) for one in (world, other)]
    assert len(set(ids)) == 2_000
