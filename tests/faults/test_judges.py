"""A judge who never convicts proves nothing: each is shown a crime that only it can see."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from armature.testing.history import Happened

from .process.checkers import Durable, Told, adds_up, all_or_nothing, dense_versions, final_positions, judge, once_for_each_key

STREAM = "c1"


def event(position: int, attempt: str, *, version: int | None = None, stream: str = STREAM, delta: int = 1) -> Told:
    at = version or position
    return Told(position, bytes([position]), stream, at, (at - 1) * delta, delta if at > 1 else 0, attempt)


def honest() -> tuple[Durable, list[Happened]]:
    """Three attempts: one acknowledged twice under a key, one lost on the way back, one refused."""
    log = [event(1, "made"), event(2, "a-0"), event(3, "b-0")]
    where = ("increment", "/v1/counters/c1/increment", 1)
    history = [
        Happened("invoke", "a-0", *where, key="k"),
        Happened("ok", "a-0", *where, key="k", status=200, body='{"value":1}'),
        Happened("invoke", "a-1", *where, key="k"),
        Happened("ok", "a-1", *where, key="k", status=200, body='{"value":1}'),
        Happened("invoke", "b-0", *where),
        Happened("info", "b-0", *where),
        Happened("invoke", "c-0", *where),
        Happened("fail", "c-0", *where, status=503),
    ]
    return Durable({STREAM: (2, 3)}, log, [2]), history


def lost_row(durable: Durable, history: list[Happened]) -> Durable:
    return structs.replace(durable, counters={STREAM: (1, 2)})


def lost_key(durable: Durable, history: list[Happened]) -> Durable:
    return structs.replace(durable, keys=[])


def lost_log(durable: Durable, history: list[Happened]) -> Durable:
    return structs.replace(durable, log=durable.log[:1], counters={STREAM: (0, 1)}, keys=[])


def effect_of_a_refusal(durable: Durable, history: list[Happened]) -> Durable:
    return structs.replace(durable, log=[*durable.log, event(4, "c-0")], counters={STREAM: (3, 4)})


def half_a_transfer(durable: Durable, history: list[Happened]) -> Durable:
    history.append(Happened("invoke", "d-0", "transfer", "/v1/counters/c1/transfer", 1))
    return structs.replace(durable, log=[*durable.log, event(4, "d-0")], counters={STREAM: (3, 4)})


def hole_in_versions(durable: Durable, history: list[Happened]) -> Durable:
    return structs.replace(durable, log=[*durable.log[:2], structs.replace(durable.log[2], version=4)])


def second_effect(durable: Durable, history: list[Happened]) -> Durable:
    return structs.replace(durable, log=[*durable.log, event(4, "a-1")], counters={STREAM: (3, 4)}, keys=[2, 4])


def second_answer(durable: Durable, history: list[Happened]) -> Durable:
    history[3] = structs.replace(history[3], body='{"value":2}')
    return durable


def hole_in_positions(durable: Durable, history: list[Happened]) -> Durable:
    return structs.replace(durable, log=[*durable.log[:2], structs.replace(durable.log[2], position=5)])


def wrong_sum(durable: Durable, history: list[Happened]) -> Durable:
    return structs.replace(durable, log=[*durable.log[:2], structs.replace(durable.log[2], delta=7)])


CRIMES: list[tuple[Callable[[Durable, list[Happened]], Durable], Callable[..., None], str]] = [
    (lost_row, all_or_nothing, "disagree"),
    (lost_key, all_or_nothing, "without its key"),
    (effect_of_a_refusal, all_or_nothing, "refused with 503"),
    (half_a_transfer, all_or_nothing, "half of d-0"),
    (lost_log, dense_versions, "acknowledged and lost"),
    (hole_in_versions, dense_versions, "hole"),
    (second_effect, once_for_each_key, "2 times"),
    (second_answer, once_for_each_key, "2 ways"),
    (wrong_sum, adds_up, "does not follow"),
]


def test_an_honest_history_is_acquitted() -> None:
    judge(*honest())


@pytest.mark.parametrize(("crime", "judge_of_it", "words"), CRIMES, ids=lambda one: getattr(one, "__name__", None))
def test_each_crime_is_seen(
    crime: Callable[[Durable, list[Happened]], Durable], judge_of_it: Callable[..., None], words: str
) -> None:
    durable, history = honest()
    durable = crime(durable, history)
    with pytest.raises(AssertionError, match=words):
        judge_of_it(durable) if judge_of_it is adds_up else judge_of_it(durable, history)


def test_a_position_that_moves_or_is_missing_is_seen() -> None:
    durable, history = honest()
    with pytest.raises(AssertionError, match="not dense"):
        final_positions(hole_in_positions(durable, history))
    moved = structs.replace(durable, log=[structs.replace(durable.log[0], event_id=b"other"), *durable.log[1:]])
    with pytest.raises(AssertionError, match="changed after"):
        final_positions(moved, durable)


def test_the_last_place_of_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "armature.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 4_096)
    with pytest.raises(Exception, match="not a database|malformed"):
        Durable.read(tmp_path / "armature.db")
