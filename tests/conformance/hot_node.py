"""A process of its own that steps the hot account in turns until it is killed, and says which events it was told."""

import asyncio
import sys

from armature.adapters.postgres.database import PostgresDatabase
from armature.adapters.postgres.settings import PostgresSettings
from armature.conformance.database_accounts import STATEMENTS
from armature.conformance.database_world import World
from armature.engine.policies import DatabasePolicy
from armature.ports.database import Committed


async def main(url: str) -> None:
    database = PostgresDatabase(
        PostgresSettings(url=url, roles=False, row_security=False), policy=DatabasePolicy(), turn_seconds=1.0
    )
    await database.open()
    database.bind(STATEMENTS)
    world = World(database)

    async def caller() -> None:
        while True:
            verdict = await world.step("hot")
            assert isinstance(verdict, Committed), verdict
            print(verdict.last_id, flush=True)

    await asyncio.gather(*(caller() for _ in range(8)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
