"""The judges that need no more than a history, each on a bad one; and what is read of a PostgreSQL.

Those that compare with what is stored: tests/faults/test_judges.py.
"""

import asyncio
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from msgspec import structs

from armature.testing.history import Happened, History, intents, read_history, verdicts
from armature.testing.judges import Told, bounded, final_positions, kept_sum, same_answers
from armature.testing.servers import LocalPostgres
from armature.testing.stored import read_postgres

WHERE = ("increment", "/v1/counters/c1/increment", 3)


def honest() -> list[Happened]:
    """Acknowledged twice under a key and once more lost, lost, refused, and refused after it was lost."""
    return [
        Happened("invoke", "a-0", *WHERE, key="k"),
        Happened("info", "a-0", *WHERE, key="k"),
        Happened("invoke", "a-1", *WHERE, key="k"),
        Happened("ok", "a-1", *WHERE, key="k", status=200, body="3"),
        Happened("invoke", "a-2", *WHERE, key="k"),
        Happened("ok", "a-2", *WHERE, key="k", status=200, body="3"),
        Happened("invoke", "a-3", *WHERE, key="k"),
        Happened("info", "a-3", *WHERE, key="k"),
        Happened("invoke", "b-0", *WHERE),
        Happened("info", "b-0", *WHERE),
        Happened("invoke", "c-0", *WHERE),
        Happened("fail", "c-0", *WHERE, status=409),
        Happened("invoke", "d-0", *WHERE, key="l"),
        Happened("info", "d-0", *WHERE, key="l"),
        Happened("invoke", "d-1", *WHERE, key="l"),
        Happened("fail", "d-1", *WHERE, key="l", status=409),
        Happened("invoke", "e-0", *WHERE),
    ]


def test_attempts_under_one_key_are_one_intent_with_one_verdict() -> None:
    assert set(intents(honest()).values()) == {"k", "b-0", "c-0", "l", "e-0"}
    assert verdicts(honest()) == {"k": "ok", "b-0": "info", "c-0": "fail", "l": "fail", "e-0": "info"}


@pytest.mark.parametrize("value", [3, 6, 9])
def test_a_value_between_what_is_sure_and_what_may_be_is_possible(value: int) -> None:
    bounded({"c1": value}, honest())
    same_answers(honest())


@pytest.mark.parametrize("value", [0, 12])
def test_a_value_that_lost_or_doubled_a_step_is_not(value: int) -> None:
    with pytest.raises(AssertionError, match=f"c1 is {value}; the callers know of 3 to 9"):
        bounded({"c1": value}, honest())


def test_a_counter_that_nobody_read_is_told() -> None:
    with pytest.raises(AssertionError, match="moved something that was not read"):
        bounded({}, honest())


@pytest.mark.parametrize("change", [{"body": "6"}, {"status": 201}, {"headers": {"etag": '"2"'}}])
def test_two_answers_to_one_key_are_seen(change: dict[str, object]) -> None:
    history = honest()
    history[5] = structs.replace(history[5], **change)
    with pytest.raises(AssertionError, match="key k was answered in 2 ways"):
        same_answers(history)


CRIMES: list[tuple[Callable[[], None], str]] = [
    (lambda: kept_sum([100, 99, 100], 100, moved=5), r"counted as \[99\]"),
    (lambda: kept_sum([], 100, moved=5), "nobody counted"),
    (lambda: kept_sum([100], 100, moved=0), "nothing moved"),
]


@pytest.mark.parametrize(("crime", "words"), CRIMES)
def test_a_bank_that_lost_money_or_did_nothing_is_seen(crime: Callable[[], None], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        crime()


def test_a_bank_that_kept_its_money_is_acquitted() -> None:
    kept_sum([100, 100], 100, moved=1)


def test_lines_are_on_the_disk_when_their_writer_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        history = History(tmp_path / "history.jsonl")
        await asyncio.gather(*(history.note(line) for line in honest()))
        assert read_history(tmp_path / "history.jsonl") == honest()
        history.close()

    asyncio.run(story())
    with (tmp_path / "history.jsonl").open("ab") as file:
        file.write(b'{"what":"inv')
    assert read_history(tmp_path / "history.jsonl") == honest(), "a line that is being written is not one yet"


FOUNDATION = (files("armature.engine") / "schema" / "0001_foundation.postgres.sql").read_text()
COUNTER = "018f0000-0000-7000-8000-000000000001"
EVENT = "018f0000-0000-7000-8000-00000000000"
STORY = f"""
create table counter_counters (id uuid primary key, value bigint not null, version bigint not null);
insert into counter_counters values ('{COUNTER}', 4, 2);
insert into armature_outbox (position, event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id,
                             causation_id, actor, partition, occurred_at)
values (null, '{EVENT}2', 'counter.changed', 1, 't', 'counter/{COUNTER}', 2, '{{"value":4,"delta":4}}', 'a-0', '', 'a', 0, now()),
       (1, '{EVENT}1', 'counter.changed', 1, 't', 'counter/{COUNTER}', 1, '{{"value":0,"delta":0}}', 'made', '', 'a', 0, now());
insert into armature_keys values ('t', 's', 'f', 'o', false, 1, now()), ('t', 'r', 'f', 'o', true, null, now());
"""


@pytest.mark.slow
def test_a_postgresql_is_read_with_the_unnumbered_last(postgres: LocalPostgres, postgres_url: str) -> None:
    name = postgres_url.rpartition("/")[2]
    postgres.sql(FOUNDATION + STORY, name)
    found = read_postgres(postgres, name)
    stream = COUNTER.replace("-", "")
    first = Told(1, bytes.fromhex((EVENT + "1").replace("-", "")), stream, 1, 0, 0, "made", 2)
    second = Told(0, bytes.fromhex((EVENT + "2").replace("-", "")), stream, 2, 4, 4, "a-0", 1)
    assert (found.counters, found.log, found.keys) == ({stream: (4, 2)}, [first, second], [1])
    with pytest.raises(AssertionError, match="not dense"):
        final_positions(found)
    postgres.sql("update armature_outbox set position = 2 where position is null", name)
    final_positions(read_postgres(postgres, name), found)
    postgres.sql("update armature_outbox set position = null; update armature_outbox set position = id", name)
    with pytest.raises(AssertionError, match="a position changed"):
        final_positions(read_postgres(postgres, name), found)
