"""A small honest project on a real disk: two modules, a platform. Tests break one line of it and look who notices."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from armature.checks.finding import Finding
from armature.checks.rules import check

FILES: dict[str, str] = {
    "platform/policies.yaml": "projections: {lag_slo_seconds: 30}\n",
    "platform/topologies/single.yaml": 'processes:\n  app:\n    modules: "*"\n    roles: [http, projector, sweeper]\n',
    "platform/environments/dev.yaml": "",
    "modules/stock/__init__.py": "",
    "modules/stock/module.yaml": "name: stock\nuses: []\ntables:\n  stock_items: tenant\n",
    "modules/stock/contract.py": '''"""Stock: what is there."""

from typing import Protocol
from uuid import UUID

from msgspec import Struct

from armature import Context, Contract, Event, Failure, Kind, command, event, query


class Item(Struct, frozen=True):
    """A thing and how many there are."""

    id: UUID
    name: str
    left: int


@event("stock.counted", schema=1, stream="item_id")
class Counted(Event, frozen=True):
    """Somebody counted an item."""

    item_id: UUID
    left: int


class ItemNotFound(Failure, kind=Kind.NOT_FOUND, code="stock:not_found"):
    """There is no such item."""


class NameTaken(Failure, kind=Kind.ALREADY_EXISTS, code="stock:name_taken"):
    """Another item has that name."""


class Stock(Contract, Protocol, name="stock", version=1):
    """What lies on the shelves."""

    @query("GET /items/{item_id}", permission="stock:read", refuses=[ItemNotFound])
    async def get(self, ctx: Context, *, item_id: UUID) -> Item:
        """Return an item."""
        ...

    @command("POST /items", permission="stock:write", refuses=[NameTaken])
    async def add(self, ctx: Context, *, name: str, left: int = 1) -> Item:
        """Put an item on the shelf."""
        ...
''',
    "modules/stock/domain.py": '''"""What an item may do."""

from modules.stock.contract import Counted, Item


def count(item: Item) -> Counted:
    """Say how many there are."""
    return Counted(item.id, item.left)
''',
    "modules/stock/repository.py": '''"""The SQL of items."""

from uuid import UUID

from armature import Work, change, select
from modules.stock.contract import Item, ItemNotFound

BY_ID = select(Item, "select id, name, amount as left from stock_items where tenant_id = :tenant_id and id = :item_id")

ADD = change(
    "insert into stock_items (tenant_id, id, name, amount) values (:tenant_id, :id, :name, :left)",
    row=("id",),
)


class Items:
    """The shelf."""

    async def get(self, work: Work, item_id: UUID) -> Item:
        """Return an item or refuse."""
        return await work.one(BY_ID, item_id=item_id, refuse=ItemNotFound)
''',
    "modules/stock/projections.py": '''"""How much was counted."""

from armature import Fold, Projection, change, on
from modules.stock.contract import Counted

ADD_COUNT = change(
    "insert into stock_counts (tenant_id, item_id, amount) values (:tenant_id, :item_id, :left)",
    row=("item_id",),
)


class Counts(Projection, name="stock.counts", version=1, tables="counts.sql", order="stream"):
    """The last count of each item."""

    @on(Counted)
    def counted(self, fold: Fold, event: Counted) -> None:
        """Remember it."""
        fold.plan(ADD_COUNT, event)
''',
    "modules/stock/projections/counts.sql": """create table stock_counts (
    tenant_id text not null,
    item_id uuid not null,
    amount bigint not null,
    primary key (tenant_id, item_id)
);
""",
    "modules/stock/migrations/0001_create.sql": """create table stock_items (
    tenant_id text not null,
    id uuid not null,
    name text not null,
    amount bigint not null,
    primary key (tenant_id, id)
);
create unique index stock_name_taken on stock_items (tenant_id, name);
""",
    "modules/stock/service.py": '''"""The use cases of stock."""

from uuid import UUID

from armature import Context
from modules.stock import domain
from modules.stock.contract import Item, Stock
from modules.stock.repository import ADD, Items


class StockService(Stock):
    """Items on this module's own tables."""

    def __init__(self, items: Items) -> None:
        self._items = items

    async def get(self, ctx: Context, *, item_id: UUID) -> Item:
        return await self._items.get(ctx.work, item_id)

    async def add(self, ctx: Context, *, name: str, left: int = 1) -> Item:
        item = Item(ctx.new_id(), name, left)
        ctx.work.plan(ADD, item)
        ctx.work.publish(domain.count(item))
        return item
''',
    "modules/stock/module.py": '''"""How stock is put together."""

from armature import Module, Needs
from modules.stock.contract import NameTaken
from modules.stock.projections import Counts
from modules.stock.repository import Items
from modules.stock.service import StockService


def build(needs: Needs) -> Module:
    """Plain constructors."""
    return Module(
        "stock",
        offers=[StockService(Items())],
        projections=[Counts()],
        constraints={"stock_name_taken": NameTaken},
    )
''',
    "modules/shop/__init__.py": "",
    "modules/shop/module.yaml": "name: shop\nuses:\n  - stock.get\n",
    "modules/shop/contract.py": '''"""Shop: what can be bought."""

from typing import Protocol
from uuid import UUID

from armature import Context, Contract, query


class Shop(Contract, Protocol, name="shop", version=1):
    """A window on the shelves."""

    @query("GET /offers/{item_id}", public=True)
    async def offer(self, ctx: Context, *, item_id: UUID) -> str:
        """Return what an item is called."""
        ...
''',
    "modules/shop/service.py": '''"""The use cases of the shop."""

from uuid import UUID

from armature import Context
from modules.shop.contract import Shop
from modules.stock.contract import Stock


class ShopService(Shop):
    """Offers from the neighbour's shelves."""

    def __init__(self, stock: Stock) -> None:
        self._shelves = stock

    async def offer(self, ctx: Context, *, item_id: UUID) -> str:
        item = await self._shelves.get(ctx, item_id=item_id)
        return item.name
''',
    "modules/shop/module.py": '''"""How the shop is put together."""

from armature import Module, Needs
from modules.shop.service import ShopService
from modules.stock.contract import Stock


class ShopNeeds(Needs):
    """What the shop asks for."""

    stock: Stock


def build(needs: ShopNeeds) -> Module:
    """Plain constructors."""
    return Module("shop", offers=[ShopService(needs.stock)])
''',
}


class House:
    """The project of one test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for file, text in FILES.items():
            self.write(file, text)

    def write(self, file: str, text: str) -> None:
        """Put a file there."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        """Change one place of a file; the place must be there."""
        text = (self.root / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
        self.write(file, text.replace(old, new))

    def line(self, file: str, snippet: str) -> int:
        """The first line that has the snippet; 0 for an empty one."""
        if not snippet:
            return 0
        lines = (self.root / file).read_text(encoding="utf-8").splitlines()
        return next(number for number, text in enumerate(lines, 1) if snippet in text)

    def check(self, *rules: str) -> list[Finding]:
        """Run rules as the command line does. What the house promises is written down by the tests that are about that."""
        with fresh(self.root):
            return [one for one in check(self.root, rules) if one.rule != "contracts:missing"]

    def says(self, finding: str, file: str, snippet: str, cure: str, *, also: int = 0) -> None:
        """Assert that exactly this finding comes, at that file and line, with that cure in its words.

        `also` is how many others follow from the same mistake."""
        found = self.check(finding.partition(":")[0])
        told = "\n".join(map(str, found)) or "nothing"
        meant = [one for one in found if (one.rule, one.file, one.line) == (finding, file, self.line(file, snippet))]
        assert len(meant) == 1 and len(found) == 1 + also, told
        assert cure in meant[0].cure, told


@contextmanager
def fresh(root: Path) -> Iterator[None]:
    """Two projects of one process must not see each other's modules."""
    _forget(root)
    try:
        yield
    finally:
        _forget(root)


def _forget(root: Path) -> None:
    for name in [name for name in sys.modules if name.startswith(("modules.stock", "modules.shop", "modules.till"))]:
        del sys.modules[name]
    while str(root) in sys.path:
        sys.path.remove(str(root))
