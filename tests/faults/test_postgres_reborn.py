"""A PostgreSQL that recovers from the crash of one of its processes goes on as the same server, and gives numbers of transactions
that never reached the disk to others: what became of a lost commit must not be read from a number that is somebody else's."""

import asyncio
import os
import signal

import pytest

from armature.adapters.postgres.connection import LaneConnection
from armature.adapters.postgres.lanes import Lanes
from armature.adapters.postgres.opening import Opening
from armature.adapters.postgres.settings import PostgresSettings
from armature.adapters.postgres.uncertain import Committer, OutcomeUnknown, Written

from .process.fleet import Breakable
from .process.patience import eventually

pytestmark = pytest.mark.slow

STARTED = "select pg_postmaster_start_time()"
STATUS = "select pg_xact_status($1::text::xid8)"


async def test_a_number_that_was_given_again_after_a_crash_proves_nothing(breakable: Breakable) -> None:
    url = breakable.postgres.create_database("reborn")
    breakable.postgres.sql("create table notes (whose text)", "reborn")
    lanes = Lanes(PostgresSettings(url=url, acquire_seconds=10.0), 2)
    committer = Committer(lanes, Opening(None, row_security=False), 10.0)
    try:
        async with lanes.taken(None) as lost:
            await committer.know(lost)
            started = await lost.fetchval(STARTED)
            await lost.execute("begin; insert into notes values ('ours')")
            number = await lost.fetchval("select pg_current_xact_id()::text")
            os.kill(lost.get_server_pid(), signal.SIGKILL)
            other = await eventually(lambda: back(lanes), "the server never recovers")
            while int(await other.fetchval("select pg_current_xact_id()::text")) < int(number):
                pass
            assert await other.fetchval(STARTED) == started, "it was started anew, which is easier to see"
            assert await other.fetchval(STATUS, number) == "committed", "the number was not given again: this proves nothing"
            assert await other.fetchval("select count(*) from notes") == 0, "ours was committed after all"
            other.terminate()
            with pytest.raises(OutcomeUnknown):
                await committer.commit(lost, Written(number))
    finally:
        await lanes.close()


async def back(lanes: Lanes) -> LaneConnection:
    async with asyncio.timeout(10):
        connection = await lanes.fresh()
        await connection.fetchval("select 1")
        return connection
