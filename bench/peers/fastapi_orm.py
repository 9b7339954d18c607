"""The same counters as a careful user of FastAPI and the SQLAlchemy 2 ORM writes them over aiosqlite.

Careful means: WAL and FULL, `version_id_col` for compare-and-set, key and event in the same transaction, reads in autocommit,
`begin immediate` for writes (SQLAlchemy's own advice for SQLite), one writer at a time so that nobody waits in SQLite's busy
loop, a retry when a version was lost all the same, pydantic on the way in and out.

Run: python -m bench.peers.fastapi_orm PORT FOLDER
"""

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm.exc import StaleDataError

from bench.peers.orm_schema import Base, Counter, Key, Outbox, engines

__all__ = ["create_app"]

RETRIES = 5
Step = Annotated[int, Field(ge=1, le=1_000)]
Tenant = Annotated[str, Header(alias="X-Tenant-ID")]
IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key")]
Work = Callable[[AsyncSession], Awaitable["CounterOut"]]


class Named(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=80)]


class Stepped(BaseModel):
    model_config = ConfigDict(extra="forbid")
    by: Step = 1


class Moved(Stepped):
    to: uuid.UUID


class CounterOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: uuid.UUID
    name: str
    value: int
    version: int


class Commands:
    """Run a piece of work in one transaction, once per key, again when somebody else was faster; `at_once` transactions."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], at_once: int) -> None:
        self._sessions = sessions
        self._turn = asyncio.Semaphore(at_once)

    async def run(self, tenant: str, operation: str, key: str | None, work: Work) -> CounterOut:
        for _ in range(RETRIES):
            try:
                async with self._turn, self._sessions.begin() as session:
                    return await self._once(session, (tenant, operation, key), work)
            except (StaleDataError, DBAPIError):  # a lost version, a key that a twin took, a deadlock, a busy file
                continue
        raise HTTPException(503, "too many conflicts", {"Retry-After": "1"})

    async def _once(self, session: AsyncSession, scope: tuple[str, str, str | None], work: Work) -> CounterOut:
        tenant, operation, key = scope
        if key is not None and (known := await session.get(Key, (tenant, operation, key))):
            return CounterOut.model_validate_json(known.answer)
        answer = await work(session)
        if key is not None:
            session.add(Key(tenant_id=tenant, operation=operation, key=key, answer=answer.model_dump_json()))
        return answer


async def _move(session: AsyncSession, tenant: str, id_: uuid.UUID, by: int, operation: str) -> Counter:
    # Locked, so that callers of one counter wait for each other instead of losing (SQLite's writers have a turn anyway).
    chosen = select(Counter).where(Counter.tenant_id == tenant, Counter.id == id_).with_for_update()
    counter = await session.scalar(chosen)
    if counter is None:
        raise HTTPException(404, "counter:not_found")
    if counter.value + by < 0:
        raise HTTPException(409, "counter:insufficient")
    counter.value += by
    await session.flush()
    session.add(Outbox.changed(counter, operation, by))
    return counter


def create_app(engines: tuple[AsyncEngine, AsyncEngine], *, at_once: int) -> FastAPI:
    reader, writer = engines
    reads = async_sessionmaker(reader)
    commands = Commands(async_sessionmaker(writer, expire_on_commit=False), at_once)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        async with writer.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield
        await writer.dispose()
        await reader.dispose()

    app = FastAPI(lifespan=life)
    _reads(app, reads)
    _writes(app, commands)
    return app


def _reads(app: FastAPI, reads: async_sessionmaker[AsyncSession]) -> None:
    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {}

    @app.get("/v1/counters/{id_}")
    async def get(id_: uuid.UUID, response: Response, tenant: Tenant = "public") -> CounterOut:
        async with reads() as session:
            counter = await session.scalar(select(Counter).where(Counter.tenant_id == tenant, Counter.id == id_))
        if counter is None:
            raise HTTPException(404, "counter:not_found")
        response.headers["ETag"] = f'"{counter.version}"'
        return CounterOut.model_validate(counter)


def _writes(app: FastAPI, commands: Commands) -> None:
    @app.post("/v1/counters", status_code=201)
    async def create(body: Named, tenant: Tenant = "public", key: IdempotencyKey = None) -> CounterOut:
        async def work(session: AsyncSession) -> CounterOut:
            counter = Counter(tenant_id=tenant, name=body.name)
            session.add(counter)
            try:
                await session.flush()
            except IntegrityError as taken:
                raise HTTPException(409, "counter:name_taken") from taken
            return CounterOut.model_validate(counter)

        return await commands.run(tenant, "create", key, work)

    @app.post("/v1/counters/{id_}/increment")
    async def increment(
        id_: uuid.UUID, body: Stepped, response: Response, tenant: Tenant = "public", key: IdempotencyKey = None
    ) -> CounterOut:
        async def work(session: AsyncSession) -> CounterOut:
            return CounterOut.model_validate(await _move(session, tenant, id_, body.by, "increment"))

        answer = await commands.run(tenant, f"increment:{id_}", key, work)
        response.headers["ETag"] = f'"{answer.version}"'
        return answer

    @app.post("/v1/counters/{id_}/transfer")
    async def transfer(id_: uuid.UUID, body: Moved, tenant: Tenant = "public", key: IdempotencyKey = None) -> CounterOut:
        async def work(session: AsyncSession) -> CounterOut:
            source = await _move(session, tenant, id_, -body.by, "transfer")
            await _move(session, tenant, body.to, body.by, "transfer")
            return CounterOut.model_validate(source)

        return await commands.run(tenant, f"transfer:{id_}", key, work)


if __name__ == "__main__":
    uvicorn.run(
        # SQLite has one writer: more would wait in its busy loop.
        create_app(engines(Path(sys.argv[2]) / "peer.db"), at_once=1),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
