"""Judges: each compares what is stored with the outside history and names what cannot both be true.

They share no code with what they judge. The seam between the two sides is the request id: the caller chose it, and every
event of the log carries it as its correlation. The system judged is one of counters: what moves is a number with a version.
A judge raises AssertionError. `bounded`, `same_answers` and `kept_sum` need the history and the public face alone.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from armature.testing.history import Happened, intents, verdicts

__all__ = [
    "Durable",
    "Told",
    "adds_up",
    "all_or_nothing",
    "bounded",
    "dense_versions",
    "final_positions",
    "judge",
    "kept_sum",
    "once_for_each_key",
    "same_answers",
]

EVENTS_OF = {"increment": 1, "transfer": 2, "decrement": 1, "create": 1}
"""How many events an attempt of each verb leaves."""


class Told(Struct, frozen=True):
    """An event of the log. `position` is 0 while it has none; `id` is 0 where the position is the row's id (SQLite)."""

    position: int
    event_id: bytes
    stream: str
    version: int
    value: int
    delta: int
    attempt: str
    id: int = 0

    @property
    def row(self) -> int:
        """What a key row remembers of it."""
        return self.id or self.position


class Durable(Struct, frozen=True):
    """What is stored: counters by id (hex) as (value, version), the log in order, and the last ids that key rows remember."""

    counters: dict[str, tuple[int, int]]
    log: list[Told]
    keys: list[int]

    def of_attempt(self) -> dict[str, list[Told]]:
        """Return the events by the request that caused them."""
        found: dict[str, list[Told]] = defaultdict(list)
        for told in self.log:
            found[told.attempt].append(told)
        return found


def judge(durable: Durable, history: list[Happened]) -> None:
    """Apply every judge."""
    bugs = [line for line in history if line.status == 500]
    assert not bugs, f"the server answered with a bug: {bugs[0]}"
    all_or_nothing(durable, history)
    dense_versions(durable, history)
    once_for_each_key(durable, history)
    final_positions(durable)
    adds_up(durable)


def all_or_nothing(durable: Durable, history: list[Happened]) -> None:
    """I1: of each attempt the rows, the events and the key row are all there or none is; what was told `ok` is there."""
    effects = durable.of_attempt()
    last_ids = set(durable.keys)
    assert len(last_ids) == len(durable.keys), "two key rows remember one commit"
    for line in history:
        found = effects.get(line.attempt, [])
        if line.what == "invoke":
            assert len(found) in (0, EVENTS_OF[line.verb]), f"half of {line.attempt} is in the log: {found}"
            if line.key is not None and found:
                assert max(told.row for told in found) in last_ids, f"{line.attempt} is there without its key"
        elif line.what == "fail":
            assert not found, f"{line.attempt} was refused with {line.status} and is there all the same"
        elif line.what == "ok" and line.key is None:
            assert found, f"{line.attempt} was acknowledged and is lost"
    unkeyed = {told.row for line in history if line.key is None for told in effects.get(line.attempt, [])}
    assert not unkeyed & last_ids, "a key row belongs to an attempt without a key"
    assert len([one for one in last_ids if one in {told.row for told in durable.log}]) == len(last_ids), (
        "a key without its events"
    )
    newest = {told.stream: told for told in durable.log}
    for name, (value, version) in durable.counters.items():
        assert (value, version) == (newest[name].value, newest[name].version), f"row and log of {name} disagree"


def dense_versions(durable: Durable, history: list[Happened]) -> None:
    """I2: a stream's versions are 1..n, and n lies between what was acknowledged and what may have happened."""
    streams: dict[str, list[int]] = defaultdict(list)
    for told in durable.log:
        streams[told.stream].append(told.version)
    for name, versions in streams.items():
        assert versions == list(range(1, len(versions) + 1)), f"versions of {name} have a hole or come twice: {versions}"
    effects = durable.of_attempt()
    intent_of, verdict_of = intents(history), verdicts(history)
    happened = {intent_of[attempt] for attempt in effects if attempt in intent_of}
    sure = {intent for intent, what in verdict_of.items() if what == "ok"}
    maybe = {intent for intent, what in verdict_of.items() if what == "info"}
    assert sure <= happened, f"acknowledged and lost: {sorted(sure - happened)[:5]}"
    assert happened <= sure | maybe, f"there without having been possible: {sorted(happened - sure - maybe)[:5]}"


def once_for_each_key(durable: Durable, history: list[Happened]) -> None:
    """I3: one key has one effect at most, and all its answers are the same bytes."""
    effects = durable.of_attempt()
    attempts: dict[str, set[str]] = defaultdict(set)
    for line in history:
        if line.key is None:
            continue
        attempts[line.key].add(line.attempt)
    for key, tried in attempts.items():
        effective = [attempt for attempt in tried if effects.get(attempt)]
        assert len(effective) <= 1, f"key {key} had an effect {len(effective)} times"
    same_answers(history)


def same_answers(history: Iterable[Happened]) -> None:
    """I3, seen from outside: everybody who came with one key and was told `ok` was told the same bytes."""
    answers: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    for line in history:
        if line.key is not None and line.what == "ok":
            answers[line.key].add((line.status, tuple(sorted(line.headers.items())), line.body))
    for key, told in answers.items():
        assert len(told) == 1, f"key {key} was answered in {len(told)} ways: {told}"


def bounded(
    values: Mapping[str, int], history: list[Happened], *, start: int = 0, of: Callable[[str], str] | None = None
) -> None:
    """I2, seen from outside: each value lies between what was acknowledged and what may have happened.

    `values` by the name that `of` finds in a path (by default the last part but one: `/v1/counters/NAME/increment`).
    """
    intent_of, verdict_of = intents(history), verdicts(history)
    steps = {intent_of[line.attempt]: line for line in history if line.what == "invoke"}
    low = dict.fromkeys(values, start)
    high = dict.fromkeys(values, start)
    for intent, line in steps.items():
        name = of(line.path) if of else line.path.split("/")[-2]
        assert name in values, f"{line.path} moved something that was not read"
        low[name] += line.by if verdict_of[intent] == "ok" else 0
        high[name] += line.by if verdict_of[intent] != "fail" else 0
    for name, value in values.items():
        assert low[name] <= value <= high[name], f"{name} is {value}; the callers know of {low[name]} to {high[name]}"


def kept_sum(sums: Iterable[int], total: int, *, moved: int) -> None:
    """The bank: every count that somebody took from outside is the same, and enough moved meanwhile for that to mean something.

    `moved` is how many transfers were acknowledged while the counts were taken.
    """
    seen = set(sums)
    assert seen, "nobody counted: this proves nothing"
    assert moved > 0, "nothing moved: this proves nothing"
    wrong = sorted(seen - {total})
    assert not wrong, f"the sum is {total}, and was counted as {wrong[:5]}"


def final_positions(durable: Durable, before: Durable | None = None) -> None:
    """I7: positions are 1..N, each given once, and what was seen before stands where it stood."""
    positions = [told.position for told in durable.log]
    assert positions == list(range(1, len(positions) + 1)), "positions are not dense"
    again = [event for event, count in Counter(told.event_id for told in durable.log).items() if count > 1]
    assert not again, "one event has two positions"
    if before is not None:
        given = [told for told in before.log if told.position]
        assert durable.log[: len(given)] == given, "a position changed after it had been given"


def adds_up(durable: Durable) -> None:
    """The rows are what the log says, step by step."""
    values: dict[str, int] = defaultdict(int)
    for told in durable.log:
        values[told.stream] += told.delta
        assert values[told.stream] == told.value, f"event {told.position} does not follow from those before it"
    for name, (value, _) in durable.counters.items():
        assert value == values[name], f"{name} stands at {value}, its steps add up to {values[name]}"
