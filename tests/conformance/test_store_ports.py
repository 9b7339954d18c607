"""What the owner of a file keeps for all processes of its machine keeps the laws of its ports, over a real socket."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from armature.adapters.memory.limiter import MemoryLimiter
from armature.adapters.store.cache import StoreCache
from armature.adapters.store.database import StoreDatabase
from armature.adapters.store.guest import Guest
from armature.adapters.store.limiter import StoreLimiter
from armature.adapters.store.shared import Shared
from armature.adapters.store.signal import StoreSignal
from armature.conformance.cache import CacheLaws
from armature.conformance.limiter import LimiterLaws, MovedClock
from armature.conformance.signal import SignalLaws
from armature.ports.cache import Cache
from armature.ports.limiter import Limiter
from armature.ports.signal import Signal
from tests.store.pair import Keeper, guest


class _Opened:
    """A port of a guest, which brings the guest's database along; the first to open brings the owner."""

    def __init__(self, house: "_House", port: Any, database: StoreDatabase) -> None:
        self.port = port
        self._house = house
        self._database = database
        self._open = False

    async def open(self) -> None:
        self._open = True
        await self._house.enter()
        await self._database.open()
        await self.port.open()

    async def close(self) -> None:
        await self.port.close()
        if self._open:
            self._open = False
            await self._database.close()
            await self._house.leave()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.port, name)


class _House:
    def __init__(self, folder: Path) -> None:
        self.keeper = Keeper(folder)
        self._folder = folder
        self._guests = 0

    def guest(self, port: Any) -> _Opened:
        line = Guest(self._folder / "laws.db", self._folder / "store.sock")
        return _Opened(self, port(line), guest(self._folder, line=line))

    async def enter(self) -> None:
        self._guests += 1
        if self._guests == 1:
            await self.keeper.open()

    async def leave(self) -> None:
        self._guests -= 1
        if not self._guests:
            await self.keeper.close()


@pytest.fixture(autouse=True)
def _folder(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    request.instance.folder = tmp_path


class TestStoreSignal(SignalLaws):
    folder: Path

    def make(self) -> tuple[Signal, Signal]:
        house = _House(self.folder)
        return cast(Signal, house.guest(StoreSignal)), cast(Signal, house.guest(StoreSignal))


class TestStoreCache(CacheLaws):
    folder: Path

    def make(self) -> tuple[Cache, Cache]:
        self.house = _House(self.folder)
        self.house.keeper.cache.value_bytes_max = self.VALUE_BYTES_MAX
        return cast(Cache, self.house.guest(StoreCache)), cast(Cache, self.house.guest(StoreCache))

    async def forget(self, cache: Cache, tag: str) -> None:
        kept = self.house.keeper.cache
        everything = kept.store_bytes_max
        kept.store_bytes_max = 0
        await kept.get("pressure", ["pressure:tag"])
        kept.store_bytes_max = everything


class TestStoreLimiter(LimiterLaws):
    KEYS_MAX = 50

    @pytest.fixture(autouse=True)
    def _house(self, tmp_path: Path) -> Iterator[None]:
        self.houses = 0
        with asyncio.Runner() as self.runner, ExitStack() as self.open:
            self.place = tmp_path
            yield

    def limiter(self, clock: MovedClock) -> Limiter:
        self.houses += 1
        folder = self.place / str(self.houses)
        folder.mkdir()
        keeper, line = Keeper(folder), Guest(folder / "laws.db", folder / "store.sock")
        self.made = MemoryLimiter(keys_max=self.KEYS_MAX, clock=clock)
        keeper.server.shared = Shared(keeper.signal, keeper.cache, self.made)
        database = guest(folder, line=line)
        for one in (keeper, database):
            self.runner.run(one.open())
            self.open.callback(partial(self.end, one))
        return StoreLimiter(line)

    def end(self, one: Keeper | StoreDatabase) -> None:
        self.runner.run(one.close())

    def run(self, asked: Coroutine[Any, Any, float]) -> float:
        return self.runner.run(asked)

    def remembered(self) -> int:
        return self.made.keys
