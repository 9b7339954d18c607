"""A small installation of its own: one module with a column of every word, a unique name and a link between two tables."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID, uuid5

import apsw

from armature.adapters.postgres.migrator import PostgresMigrator
from armature.adapters.postgres.moving import PostgresTarget
from armature.adapters.postgres.session import connected
from armature.adapters.sqlite.migrator import SqliteMigrator
from armature.adapters.sqlite.moving import SqliteSource
from armature.engine.migrations import migrate
from armature.engine.moving import Limits, Moved, Progress, promote

__all__ = ["Box"]

KINDS = {"box": {"box_shelves": "tenant", "box_things": "tenant"}}
_MIGRATION = """
create table box_shelves (
    tenant_id text not null,
    id        uuid not null,
    name      text not null,
    primary key (tenant_id, id)
);

create unique index box_shelf_name on box_shelves (tenant_id, name);

create table box_things (
    tenant_id text        not null,
    number    bigint      not null,
    shelf     uuid        not null,
    weight    double,
    fragile   boolean     not null,
    at        timestamptz,
    about     jsonb,
    picture   bytea,
    primary key (tenant_id, number),
    foreign key (tenant_id, shelf) references box_shelves (tenant_id, id)
);
"""
_SPACE = UUID(int=0)
LIMITS = Limits(chunk_rows=100, remainder_max=5)


class Box:
    """A file on SQLite beside the address of an empty PostgreSQL database, both migrated."""

    def __init__(self, folder: Path, url: str) -> None:
        self.file, self.url = folder / "armature.db", url
        self.modules = [("box", folder / "box")]
        (folder / "box/migrations").mkdir(parents=True)
        (folder / "box/migrations/0001_create_boxes.sql").write_text(_MIGRATION)
        migrate(SqliteMigrator(self.file), self.modules)
        migrate(PostgresMigrator(url, kinds=KINDS), self.modules)

    def write(self, *sentences: str) -> None:
        """Change the file, as the process that serves from it would."""
        with self.opened() as db:
            for sentence in sentences:
                db.execute(sentence)

    def fill(self, shelves: int, things: int) -> None:
        """Fill the file; an event for each thing."""
        with self.opened() as db:
            ids = [uuid5(_SPACE, f"shelf {n}").bytes for n in range(shelves)]
            db.executemany("insert into box_shelves values ('t', ?, ?)", [(id, f"shelf {n}") for n, id in enumerate(ids)])
            rows = [
                (
                    n,
                    ids[n % shelves],
                    n / 7 if n % 2 else None,
                    n % 3 == 0,
                    n * 1_000_001,
                    f'{{"n":{n},"a":[]}}',
                    bytes([n % 256]),
                )
                for n in range(things)
            ]
            db.executemany("insert into box_things values ('t', ?, ?, ?, ?, ?, ?, ?)", rows)
            db.executemany(TELL, [(uuid5(_SPACE, f"event {n}").bytes, f"box/{n}") for n in range(things)])

    def tell(self, number: int) -> None:
        """Add an event to the file's log."""
        with self.opened() as db:
            db.execute(TELL, (uuid5(_SPACE, f"told {number}").bytes, f"box/told-{number}"))

    @contextmanager
    def opened(self) -> Iterator[apsw.Connection]:
        """Open the file for one transaction. By the same library as the source: two in one process drop each other's locks."""
        with closing(apsw.Connection(str(self.file))) as db:
            db.set_busy_timeout(30_000)
            with db:
                yield db

    @contextmanager
    def ends(self) -> Iterator[tuple[SqliteSource, PostgresTarget]]:
        """Open both sides."""
        with closing(SqliteSource(self.file)) as source, closing(PostgresTarget(self.url)) as target:
            yield source, target

    def promote(self, place: str = "there", tell: Callable[[Progress], None] = lambda _: None) -> Moved:
        """Run a promotion."""
        with self.ends() as (source, target):
            return promote(source, target, place, LIMITS, tell)

    def there(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the target."""
        with connected(self.url) as session:
            return session.rows(sql)

    def here(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the file."""
        with self.opened() as db:
            return db.execute(sql).fetchall()


TELL = """
insert into armature_outbox (event_id, type, schema, tenant_id, stream, stream_version, payload, correlation_id, causation_id,
                             actor, partition, occurred_at)
values (?, 'box.filled', 1, 't', ?, 1, '{}', 'c', 'c', 'ann', 7, 1700000000000000)
"""
