"""A promotion of a system that serves, killed with -9 at every stage: what callers were told is there, and nothing else.

One course for all tests here: about 20 000 rows, callers at a steady rate, eight deaths, the switch, the system on PostgreSQL.
`python -m tests.moving.soak` runs the same at another size.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from armature.testing.servers import LocalPostgres
from tests.moving.account import contradictions, doubled, lost, missing_rows, replayed, same, stale_lines
from tests.moving.installation import PAUSE_SECONDS_MAX, SEALED, STAGES, Installation, Outcome, moves

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory, postgres: LocalPostgres) -> Iterator[Installation]:
    """Both systems."""
    folder: Path = tmp_path_factory.mktemp("moved")
    made = Installation(folder, postgres.create_database("moved_live"))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def outcome(there: Installation) -> Outcome:
    """The whole course."""
    return moves(there, rows=20_000, rate=60, stages=STAGES, say=print)


@pytest.mark.parametrize("stage", STAGES)
def test_the_system_goes_on_and_so_does_the_promotion_after_a_death_there(outcome: Outcome, stage: str) -> None:
    assert outcome.served[stage] == (stage not in SEALED)


def test_nothing_acknowledged_is_lost_and_nothing_happened_twice(there: Installation, outcome: Outcome) -> None:
    assert outcome.acknowledged > outcome.acknowledged_after > 0
    assert lost(there) == []
    assert doubled(there) == []


def test_events_and_answers_are_there_as_they_were(there: Installation, outcome: Outcome) -> None:
    assert outcome.rows > 19_000
    assert missing_rows(there) == []
    assert contradictions(there) == []


def test_read_models_are_built_anew_from_the_log(there: Installation, outcome: Outcome) -> None:
    assert stale_lines(there) == 0


def test_a_key_that_was_answered_before_the_switch_is_answered_the_same_after_it(there: Installation, outcome: Outcome) -> None:
    asked = replayed(there, 20)
    assert len(asked) == 20
    assert [line.key for line, answer in asked if not same(line, answer)] == []
    assert doubled(there) == []


def test_writers_waited_five_seconds_at_most(outcome: Outcome) -> None:
    assert outcome.longest_wait <= PAUSE_SECONDS_MAX


def test_the_old_system_refuses_writes_and_a_start_on_it_says_where_the_data_went(there: Installation, outcome: Outcome) -> None:
    place = there.url.partition("@")[2]
    assert "promoted to another one" in outcome.refusal
    assert place not in outcome.refusal, "callers are told where the database is"
    assert place in outcome.opened_again
    assert outcome.moved["already"]
