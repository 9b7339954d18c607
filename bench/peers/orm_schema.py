"""The peer's tables and engines: the schema of the limit in SQLAlchemy's declarative words."""

import time
import uuid
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Connection, Engine, ForeignKey, Index, Integer, UniqueConstraint, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

__all__ = ["Base", "Counter", "Key", "Outbox", "engines", "postgres_engines"]


class Base(DeclarativeBase):
    # SQLite counts by itself only in a column called exactly `integer`.
    type_annotation_map = {int: BigInteger().with_variant(Integer, "sqlite")}


class Counter(Base):
    """`version_id_col` makes every flush a compare-and-set on `version`."""

    __tablename__ = "counter_counters"
    # The second one is ours, for the list by value; the figures on SQLite were promised without it.
    __table_args__ = (
        Index("counter_name_taken", "tenant_id", "name", unique=True),
        Index("counter_by_value", "tenant_id", "value").ddl_if(dialect="postgresql"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    tenant_id: Mapped[str]
    name: Mapped[str]
    note: Mapped[str | None]
    value: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}


class Key(Base):
    __tablename__ = "idempotency"

    tenant_id: Mapped[str] = mapped_column(primary_key=True)
    operation: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    answer: Mapped[str]


class Outbox(Base):
    __tablename__ = "outbox"
    __table_args__ = (UniqueConstraint("tenant_id", "stream", "stream_version"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    event_id: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4)
    type: Mapped[str]
    tenant_id: Mapped[str]
    stream: Mapped[uuid.UUID] = mapped_column(ForeignKey("counter_counters.id"))
    stream_version: Mapped[int]
    payload: Mapped[str]
    occurred_at: Mapped[int]

    @classmethod
    def changed(cls, counter: Counter, operation: str, by: int) -> "Outbox":
        payload = f'{{"operation":"{operation}","by":{by},"value":{counter.value},"version":{counter.version}}}'
        return cls(
            type="counter.changed",
            tenant_id=counter.tenant_id,
            stream=counter.id,
            stream_version=counter.version,
            payload=payload,
            occurred_at=time.time_ns() // 1_000,
        )


def engines(path: Path) -> tuple[AsyncEngine, AsyncEngine]:
    """Return (reader, writer): autocommit for reads, `begin immediate` for writes."""
    url = f"sqlite+aiosqlite:///{path}"
    reader = create_async_engine(url, isolation_level="AUTOCOMMIT", pool_size=32, connect_args={"timeout": 30})
    writer = create_async_engine(url, pool_size=2, connect_args={"timeout": 30})
    for engine in (reader.sync_engine, writer.sync_engine):
        event.listen(engine, "connect", _pragmas)
    _begin_immediate(writer.sync_engine)
    return reader, writer


def postgres_engines(url: str) -> tuple[AsyncEngine, AsyncEngine]:
    """Return (reader, writer): autocommit for reads, a pool each as large as the callers are many."""
    address = url.replace("postgresql://", "postgresql+asyncpg://", 1)
    reader = create_async_engine(address, isolation_level="AUTOCOMMIT", pool_size=32)
    return reader, create_async_engine(address, pool_size=32)


def _pragmas(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("pragma journal_mode = wal")
    cursor.execute("pragma synchronous = full")
    cursor.close()


def _begin_immediate(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def silence(connection: Any, _: object) -> None:
        # The driver's own BEGIN is deferred and would turn every write into a busy error under load.
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("begin immediate")
