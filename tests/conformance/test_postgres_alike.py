"""Who asks PostgreSQL the same as somebody else at the same moment shares the question and not the answer."""

import asyncio

import pytest
from msgspec import Struct

from armature.adapters.postgres.settings import PostgresSettings
from armature.kernel.statement import select
from tests.conformance.test_postgres_facts import opened

pytestmark = pytest.mark.slow


class Drawn(Struct):
    lot: str


LOT = select(str, "select random()::text as lot where :n = :n + 0")
LOT_TO_KEEP = select(Drawn, "select random()::text as lot where :n = :n + 0")
LOT_OF = select(str, "select random()::text as lot where cast(:price as numeric) > 0")


async def test_who_asks_the_same_at_the_same_moment_is_asked_for_once(postgres_url: str) -> None:
    async with opened(PostgresSettings(url=postgres_url, roles=False, row_security=False), LOT) as database:
        told = await asyncio.gather(*(database.read([(LOT, (n,))]) for n in (1, 2, 1, 1)))
        assert told[0] == told[2] == told[3] != told[1]
        kept = told[3][0][0]
        told[0][0].clear()
        assert told[2] == told[3] == [[kept]], "each has a list of his own"


async def test_a_row_that_somebody_may_write_into_is_nobody_elses(postgres_url: str) -> None:
    async with opened(PostgresSettings(url=postgres_url, roles=False, row_security=False), LOT_TO_KEEP) as database:
        drawn = await asyncio.gather(*(database.read([(LOT_TO_KEEP, (1,))]) for _ in range(3)))
        assert len({id(rows[0][0]) for rows in drawn}) == 3


async def test_what_is_equal_and_not_the_same_is_asked_for_twice(postgres_url: str) -> None:
    async with opened(PostgresSettings(url=postgres_url, roles=False, row_security=False), LOT_OF) as database:
        one, other = await asyncio.gather(*(database.read([(LOT_OF, (price,))]) for price in (1, 1)))
        assert one != other
