"""Judges: each reads the file and the outside history, and names what cannot both be true.

They share no code with what they judge. The seam between the two sides is the request id: the driver chose it, and every
event of the log carries it as its correlation.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import apsw
import msgspec
from msgspec import Struct

from .history import Happened

__all__ = [
    "Durable",
    "ReadModels",
    "adds_up",
    "all_or_nothing",
    "dense_versions",
    "final_positions",
    "folded",
    "judge",
    "once_for_each_key",
]

EVENTS_OF = {"increment": 1, "transfer": 2, "decrement": 1, "create": 1}


class Told(Struct, frozen=True):
    """An event of the log."""

    position: int
    event_id: bytes
    stream: str
    version: int
    value: int
    delta: int
    attempt: str


class Durable(Struct, frozen=True):
    """What the file holds: counters by id as (value, version), the log, and the last ids that key rows remember."""

    counters: dict[str, tuple[int, int]]
    log: list[Told]
    keys: list[int]

    @classmethod
    def read(cls, file: Path) -> "Durable":
        """Read everything in one transaction; a damaged file fails here."""
        db = apsw.Connection(str(file))
        try:
            db.set_busy_timeout(5_000)
            assert db.execute("pragma quick_check").get == "ok"
            db.execute("begin")
            counters = {
                id.hex(): (value, version) for id, value, version in db.execute("select id, value, version from counter_counters")
            }
            log = [
                _told(row)
                for row in db.execute(
                    "select id, event_id, stream, stream_version, payload, correlation_id from armature_outbox order by id"
                )
            ]
            keys = [row[0] for row in db.execute("select last_id from armature_keys where not refused")]
            return cls(counters, log, keys)
        finally:
            db.close()

    def of_attempt(self) -> dict[str, list[Told]]:
        """Return the events by the request that caused them."""
        found: dict[str, list[Told]] = defaultdict(list)
        for told in self.log:
            found[told.attempt].append(told)
        return found


def _told(row: tuple[Any, ...]) -> Told:
    position, event_id, stream, version, payload, attempt = row
    data = msgspec.json.decode(payload)
    name = stream.partition("/")[2].replace("-", "")
    return Told(position, event_id, name, version, data.get("value", 0), data.get("delta", 0), attempt)


def judge(durable: Durable, history: list[Happened]) -> None:
    """Apply every judge."""
    bugs = [line for line in history if line.status == 500]
    assert not bugs, f"the server answered with a bug: {bugs[0]}"
    all_or_nothing(durable, history)
    dense_versions(durable, history)
    once_for_each_key(durable, history)
    final_positions(durable)
    adds_up(durable)


def all_or_nothing(durable: Durable, history: Iterable[Happened]) -> None:
    """I1: of each attempt the rows, the events and the key row are all there or none is; what was told `ok` is there."""
    effects = durable.of_attempt()
    last_ids = set(durable.keys)
    assert len(last_ids) == len(durable.keys), "two key rows remember one commit"
    kept = 0
    for line in history:
        found = effects.get(line.attempt, [])
        if line.what == "invoke":
            assert len(found) in (0, EVENTS_OF[line.verb]), f"half of {line.attempt} is in the log: {found}"
            if line.key is not None and found:
                assert max(told.position for told in found) in last_ids, f"{line.attempt} is there without its key"
                kept += 1
        elif line.what == "fail":
            assert not found, f"{line.attempt} was refused with {line.status} and is there all the same"
        elif line.what == "ok" and line.key is None:
            assert found, f"{line.attempt} was acknowledged and is lost"
    unkeyed = {told.position for line in history if line.key is None for told in effects.get(line.attempt, [])}
    assert not unkeyed & last_ids, "a key row belongs to an attempt without a key"
    assert len([one for one in last_ids if one in {told.position for told in durable.log}]) == len(last_ids), (
        "a key without its events"
    )
    newest = {told.stream: told for told in durable.log}
    for name, (value, version) in durable.counters.items():
        assert (value, version) == (newest[name].value, newest[name].version), f"row and log of {name} disagree"


def dense_versions(durable: Durable, history: Iterable[Happened]) -> None:
    """I2: a stream's versions are 1..n, and n lies between what was acknowledged and what may have happened."""
    streams: dict[str, list[int]] = defaultdict(list)
    for told in durable.log:
        streams[told.stream].append(told.version)
    for name, versions in streams.items():
        assert versions == list(range(1, len(versions) + 1)), f"versions of {name} have a hole or come twice: {versions}"
    effects = durable.of_attempt()
    verdicts: dict[str, str] = {}
    intents: dict[str, str] = {}
    for line in history:
        intent = line.key or line.attempt
        intents[line.attempt] = intent
        if line.what != "invoke" and verdicts.get(intent) != "ok":
            verdicts[intent] = line.what
    happened = {intents[attempt] for attempt in effects if attempt in intents}
    sure = {intent for intent, what in verdicts.items() if what == "ok"}
    maybe = {intent for intent in intents.values() if verdicts.get(intent, "info") == "info"}
    assert sure <= happened, f"acknowledged and lost: {sorted(sure - happened)[:5]}"
    assert happened <= sure | maybe, f"there without having been possible: {sorted(happened - sure - maybe)[:5]}"


def once_for_each_key(durable: Durable, history: Iterable[Happened]) -> None:
    """I3: one key has one effect at most, and all its answers are the same bytes."""
    effects = durable.of_attempt()
    attempts: dict[str, set[str]] = defaultdict(set)
    answers: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    for line in history:
        if line.key is None:
            continue
        attempts[line.key].add(line.attempt)
        if line.what == "ok":
            answers[line.key].add((line.status, tuple(sorted(line.headers.items())), line.body))
    for key, tried in attempts.items():
        effective = [attempt for attempt in tried if effects.get(attempt)]
        assert len(effective) <= 1, f"key {key} had an effect {len(effective)} times"
    for key, told in answers.items():
        assert len(told) == 1, f"key {key} was answered in {len(told)} ways: {told}"


def final_positions(durable: Durable, before: Durable | None = None) -> None:
    """I7: positions are 1..N, each given once, and what was seen before stands where it stood."""
    positions = [told.position for told in durable.log]
    assert positions == list(range(1, len(positions) + 1)), "positions are not dense"
    again = [event for event, count in Counter(told.event_id for told in durable.log).items() if count > 1]
    assert not again, "one event has two positions"
    if before is not None:
        assert durable.log[: len(before.log)] == before.log, "a position changed after it had been given"


def adds_up(durable: Durable) -> None:
    """The rows are what the log says, step by step."""
    values: dict[str, int] = defaultdict(int)
    for told in durable.log:
        values[told.stream] += told.delta
        assert values[told.stream] == told.value, f"event {told.position} does not follow from those before it"
    for name, (value, _) in durable.counters.items():
        assert value == values[name], f"{name} stands at {value}, its steps add up to {values[name]}"


class ReadModels(Struct, frozen=True):
    """What the live generations hold: each counter's lines as (version, operation, value), and the totals of the tenant."""

    history: dict[str, list[tuple[int, str, int]]]
    totals: tuple[int, int, int]
    checkpoints: dict[str, int]

    @classmethod
    def read(cls, file: Path) -> "ReadModels":
        """Read both live generations and their checkpoints in one transaction."""
        db = apsw.Connection(str(file))
        try:
            db.set_busy_timeout(5_000)
            db.execute("begin")

            def rows(sql: str) -> list[Any]:
                return db.execute(sql).fetchall()

            live: dict[Any, Any] = dict(rows(_LIVE))
            history: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
            for name, *line in db.execute(
                f"select counter_id, version, operation, value from counter_history__{live['counter.history']} order by version"
            ):
                history[name.hex()].append(tuple(line))
            totals = rows(f"select counters, value, changes from counter_totals__{live['counter.totals']}")
            return cls(dict(history), totals[0] if totals else (0, 0, 0), dict(rows(_CHECKPOINTS)))
        finally:
            db.close()


_LIVE = "select projection, max(generation) from armature_generations where state = 'live' group by projection"
_CHECKPOINTS = """
select c.projection, c.position
  from armature_checkpoints c
  join armature_generations g on g.projection = c.projection and g.generation = c.generation and g.state = 'live'
 order by g.generation
"""


def folded(durable: Durable, models: ReadModels) -> None:
    """I12, I13: each read model is the log up to its checkpoint, nothing skipped and nothing twice."""
    upto = models.checkpoints["counter.history"]
    lines: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for told in durable.log[:upto]:
        lines[told.stream].append((told.version, told.value))
    found = {name: [(version, value) for version, _, value in at] for name, at in models.history.items()}
    assert found == dict(lines), f"the history is not the log up to {upto}"
    past = durable.log[: models.checkpoints["counter.totals"]]
    expected = (sum(told.version == 1 for told in past), sum(told.delta for told in past), len(past))
    assert models.totals == expected, f"totals {models.totals}, the log says {expected}"
