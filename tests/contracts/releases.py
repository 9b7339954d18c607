"""Two releases of one project, run by processes of their own on the same data: the first writes a log, the second reads it.

python -m tests.contracts.releases write ROOT DATA
python -m tests.contracts.releases read ROOT DATA
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import apsw

from armature.engine.archive import Archive
from armature.engine.event_log import Logged
from armature.engine.policies import RetentionPolicy
from armature.engine.upcasting import NoUpcast
from armature.testing.app import TestApp
from tests.arch.house import House

__all__ = ["ITEMS", "first_release", "second_release"]

ITEMS = 5
_ARCHIVED = 4
_SECONDS_MAX = 60.0
_ROLES = "roles: [http, projector, sweeper, relay, reactor]"
_CONTRACT = "modules/stock/contract.py"
_UPCAST = """

@upcast(Counted, from_schema=1)
def _in_pieces(old: dict[str, int]) -> dict[str, int]:
    return {"item_id": old["item_id"], "pieces": old["left"] * 12}
"""
_FEED = '''
    @feed("GET /items/{item_id}/events", of=[Counted], permission="stock:read")
    async def events(self, ctx: Context, *, item_id: UUID) -> None:
        """Follow an item."""
        return
'''
_REACTIONS = '''"""What stock does about its own counts."""

from armature import Context, Reaction, on
from modules.stock.contract import Counted
from modules.stock.repository import NOTE


class Note(Reaction, name="stock.note", start="beginning"):
    """Writes down every count there ever was."""

    @on(Counted)
    async def counted(self, ctx: Context, event: Counted) -> None:
        ctx.work.plan(NOTE, event)
'''
_NOTE = """
NOTE = change(
    "insert into stock_notes (tenant_id, item_id, pieces) values (:tenant_id, :item_id, :pieces)",
    row=("item_id",),
)
"""
_NOTES = """create table stock_notes (
    tenant_id text not null,
    item_id uuid not null,
    pieces bigint not null,
    primary key (tenant_id, item_id)
);
"""


def first_release(house: House) -> None:
    """Counts in dozens, and lets them be followed."""
    house.edit("platform/topologies/single.yaml", "roles: [http, projector, sweeper]", _ROLES)
    house.edit(_CONTRACT, "event, query", "event, feed, query")
    house.write(_CONTRACT, (house.root / _CONTRACT).read_text() + _FEED)


def second_release(house: House, *, upcast: bool = True) -> None:
    """Counts in pieces: another field, another schema, a fold that means it, and a reaction to everything there ever was."""
    house.edit(_CONTRACT, "event, feed, query", "event, feed, query, upcast")
    house.edit(_CONTRACT, 'counted", schema=1', 'counted", schema=2')
    house.edit(
        _CONTRACT, "    item_id: UUID\n    left: int\n", f"    item_id: UUID\n    pieces: int\n{_UPCAST if upcast else ''}"
    )
    house.edit("modules/stock/domain.py", "item.left)", "item.left * 12)")
    house.edit("modules/stock/projections.py", ":left)", ":pieces)")
    house.edit("modules/stock/projections.py", 'name="stock.counts", version=1', 'name="stock.counts", version=2')
    house.write("modules/stock/reactions.py", _REACTIONS)
    house.write("modules/stock/repository.py", (house.root / "modules/stock/repository.py").read_text() + _NOTE)
    house.write("modules/stock/migrations/0002_notes.sql", _NOTES)
    house.edit("modules/stock/module.py", "import Counts\n", "import Counts\nfrom modules.stock.reactions import Note\n")
    house.edit("modules/stock/module.py", "projections=[Counts()],", "projections=[Counts()],\n        reactions=[Note()],")


async def _write(root: Path, data: Path) -> dict[str, Any]:
    async with TestApp(root, data=data) as app:
        for left in range(1, ITEMS + 1):
            await app.call("stock.add", name=f"thing {left}", left=left)
        await app.settled()
        core = app.system.core
        policy = RetentionPolicy(segment_events=2, log_days=1e-9)
        app.clock.move(seconds=1.0)
        segments = await Archive(core.stores.database, core.model.archive_path, policy, app.clock.now, 1e9).run()
        return {"segments": segments, "events": [one.data for one in await app.events()], "counts": _rows(data, "stock_counts")}


async def _read(root: Path, data: Path) -> dict[str, Any]:
    async with TestApp(root, data=data) as app:
        log = [one async for one in _log(app)]
        await _until(lambda: len(_rows(data, "stock_notes")) + len(_parked(data)) >= ITEMS)
        if not (parked := _parked(data)):
            await app.settled()
        heard = []
        for one in log:
            heard.append(await _heard(app, one))
        if parked:
            return {"parked": parked, "heard": heard, "notes": _rows(data, "stock_notes")}
        await app.call("stock.add", name="new", left=1)
        await app.settled()
        return {
            "schemas": [one.schema for one in log],
            "heard": heard,
            "notes": _rows(data, "stock_notes"),
            "counts": _rows(data, "stock_counts"),
            "parked": parked,
        }


async def _heard(app: TestApp, one: Logged) -> Any:
    """The first event that a live feed of a stream tells."""
    following = app.system.core.tidings.events.follow((one.tenant_id, one.stream), frozenset(["stock.counted"]), 0)
    async with aclosing(following), asyncio.timeout(_SECONDS_MAX):
        try:
            async for news in following:
                if news.events:
                    return json.loads(news.events[0].payload)
        except NoUpcast as error:
            return str(error)


async def _until(true: Callable[[], bool]) -> None:
    until = monotonic() + _SECONDS_MAX
    while not true():
        if monotonic() > until:
            raise AssertionError("the old log was not taken")
        await asyncio.sleep(0.02)


async def _log(app: TestApp) -> AsyncIterator[Logged]:
    position = 0
    while events := await app.system.core.log.after(position, 100):
        for one in events:
            yield one
        position = events[-1].position


@contextmanager
def _reader(file: Path) -> Iterator[apsw.Connection]:
    """A reader beside the application, by the same library: the locks of two libraries in a process undo each other."""
    db = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        yield db
    finally:
        db.close()


def _rows(data: Path, table: str, columns: str = "", where: str = "true") -> list[Any]:
    """The figures of a table, or of the newest generation of a read model."""
    (file,) = data.rglob("*.db")
    with _reader(file) as db:
        names = [name for (name,) in db.execute("select name from sqlite_master where type = 'table'")]
        found = sorted(name for name in names if name == table or name.startswith(f"{table}__"))
        columns = columns or ("amount" if table == "stock_counts" else "pieces")
        rows = db.execute(f"select {columns} from {found[-1]} where {where} order by 1").fetchall() if found else []
    return [row[0] if len(row) == 1 else row for row in rows]


def _parked(data: Path) -> list[Any]:
    (file,) = data.rglob("*.db")
    with _reader(file) as db:
        return [reason for (reason,) in db.execute("select reason from armature_parked")]


if __name__ == "__main__":
    what, root, data = sys.argv[1:]
    print(json.dumps(asyncio.run((_write if what == "write" else _read)(Path(root), Path(data)))))
