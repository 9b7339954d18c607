"""Arrays written as text: PostgreSQL reads back what was meant, whatever signs are in it."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from armature.adapters.postgres.arrays import array_writer

pytestmark = pytest.mark.slow

WORDS = ["", "a", None, "NULL", "null", 'a"b', "a\\b", "{a,b}", " a ", "a,b", "ä→🙂", "'", "\x7f"]
COLUMNS = {
    "text": [WORDS, [*WORDS, "a\nb", "\t", "\x1f", '"\\\n"'], []],
    "bytea": [[b"", None, b"\\x00", bytes(range(256))], []],
    "uuid": [[UUID(int=1), None, UUID(int=2**128 - 1)], []],
    "int8": [[0, None, -(2**63), 2**63 - 1], []],
    "int2": [[-1, None], []],
    "bool": [[True, None, False], []],
    "timestamptz": [[datetime(2026, 2, 3, 4, 5, 6, 789_123, UTC), None, datetime(1, 1, 1, tzinfo=UTC)], []],
}


@pytest.mark.parametrize("held", COLUMNS)
async def test_a_column_is_read_back_as_it_was(held: str, postgres_url: str) -> None:
    write = array_writer(held)
    assert write is not None
    connection = await asyncpg.connect(postgres_url)
    try:
        for values in COLUMNS[held]:
            assert await connection.fetchval(f"select $1::text::{held}[]", write(values)) == values
    finally:
        await connection.close()


def test_a_float_is_left_to_the_driver() -> None:
    assert array_writer("float8") is None
