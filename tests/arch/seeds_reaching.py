"""Lines that a module must not have because of what they reach for: each with the rule, the place and the cure it must get."""

STOCK = "modules/stock"
SHOP = "modules/shop"
CONTRACT, SERVICE, MODULE = f"{STOCK}/contract.py", f"{STOCK}/service.py", f"{STOCK}/module.py"
DOMAIN, REPOSITORY, PROJECTIONS = f"{STOCK}/domain.py", f"{STOCK}/repository.py", f"{STOCK}/projections.py"


# (rule, file, old, new, where the finding stands, a word of its cure)
Seed = tuple[str, str, str, str, str, str]

DOC = '"""What an item may do."""\n'

REACHING: dict[str, Seed] = {
    # boundaries
    "the framework's inside": (
        "boundaries:face",
        DOMAIN,
        DOC,
        DOC + "from armature.kernel.work import Work\n",
        "kernel.work",
        "import from `armature`",
    ),
    "a name the face does not show": (
        "boundaries:face",
        DOMAIN,
        DOC,
        DOC + "from armature import Committer\n",
        "Committer",
        "there are:",
    ),
    "a neighbour's repository": (
        "boundaries:neighbour",
        f"{SHOP}/service.py",
        "from modules.stock.contract import Stock",
        "from modules.stock.contract import Stock\nfrom modules.stock.repository import Items",
        "stock.repository",
        "names from modules.stock.contract",
    ),
    "a domain that knows the database": (
        "boundaries:order",
        DOMAIN,
        DOC,
        DOC + "from modules.stock.repository import Items\n",
        "stock.repository",
        "arrows",
    ),
    "a repository that knows its sibling": (
        "boundaries:order",
        REPOSITORY,
        "from modules.stock.contract",
        "from modules.stock.projections import Counts\nfrom modules.stock.contract",
        "stock.projections",
        "arrows",
    ),
    # outside
    "a clock": (
        "outside:import",
        SERVICE,
        "from uuid import UUID",
        "import time\nfrom uuid import UUID",
        "import time",
        "ctx.now",
    ),
    "a clock by another name": (
        "outside:clock",
        DOMAIN,
        DOC,
        DOC + "import datetime as dt\n\nNOW = dt.datetime.now\n",
        "NOW",
        "ctx.now",
    ),
    "today": ("outside:clock", DOMAIN, DOC, DOC + "from datetime import date\n\nDAY = date.today()\n", "DAY", "ctx.now"),
    "dice": ("outside:import", DOMAIN, DOC, DOC + "from random import choice\n", "choice", "ctx.new_id()"),
    "an id out of nowhere": (
        "outside:chance",
        SERVICE,
        "from uuid import UUID",
        "from uuid import UUID, uuid4",
        "uuid4",
        "ctx.new_id()",
    ),
    "an id through its package": (
        "outside:chance",
        DOMAIN,
        DOC,
        DOC + "import uuid\n\nID = uuid.uuid4()\n",
        "ID",
        "ctx.new_id()",
    ),
    "a variable of the process": (
        "outside:import",
        SERVICE,
        "from uuid import UUID",
        "import os\nfrom uuid import UUID",
        "import os",
        "policy",
    ),
    "a socket": ("outside:import", DOMAIN, DOC, DOC + "import socket\n", "import socket", "port"),
    "a thread": ("outside:import", DOMAIN, DOC, DOC + "from threading import Thread\n", "Thread", "job"),
    "a client of the web": ("outside:import", DOMAIN, DOC, DOC + "from urllib import request\n", "request", "port"),
    "a file": ("outside:call", DOMAIN, "    return Counted", '    open("x")\n    return Counted', "open(", "adapters"),
    "a sleep": ("outside:call", DOMAIN, DOC, DOC + "import asyncio\n\nREST = asyncio.sleep\n", "REST", "job"),
    # vendors
    "a driver": ("vendors:import", REPOSITORY, "from uuid import UUID", "import apsw\nfrom uuid import UUID", "apsw", "Needs"),
    # graph
    "a use that is not declared": (
        "graph:missing",
        f"{SHOP}/service.py",
        "_shelves.get(ctx, item_id=item_id)",
        "_shelves.add(ctx, name='x') or await self._shelves.get(ctx, item_id=item_id)",
        "_shelves.add",
        "`stock.add`",
    ),
    "an event that is not declared": (
        "graph:missing",
        f"{SHOP}/service.py",
        "import Stock",
        "import Counted, Stock",
        "Counted",
        "`stock.counted`",
    ),
    "a use that is not made": (
        "graph:surplus",
        f"{SHOP}/module.yaml",
        "- stock.get",
        "- stock.get\n  - stock.add",
        "uses:",
        "remove",
    ),
    "a neighbour that does not exist": (
        "graph:surplus",
        f"{SHOP}/module.yaml",
        "- stock.get",
        "- stock.get\n  - till.pay",
        "uses:",
        "there are: shop, stock",
    ),
    "an operation that does not exist": (
        "graph:surplus",
        f"{SHOP}/module.yaml",
        "- stock.get",
        "- stock.get\n  - stock.sell",
        "uses:",
        "stock.add",
    ),
}
