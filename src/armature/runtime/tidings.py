"""What of a process depends on events elsewhere: kept answers, open feeds, and what a commit says to both."""

import importlib
from collections.abc import Iterator
from inspect import isclass

from msgspec import Struct

from armature.engine.after_commit import AfterCommit
from armature.engine.caching import QueryCache
from armature.engine.event_log import EventLog
from armature.engine.live import Announcer, LiveEvents
from armature.kernel.operation import feeds, operations
from armature.ports.cache import Cache
from armature.ports.signal import Signal
from armature.runtime.project import Project

__all__ = ["Tidings", "tidings_of"]


class Tidings(Struct, frozen=True):
    """Made once for a process; `close` before its ports are closed."""

    queries: QueryCache
    announcer: Announcer
    events: LiveEvents

    @property
    def after_commit(self) -> AfterCommit | None:
        """What commits call; None when no contract of the project declares a feed or a cached query."""
        made = AfterCommit(self.queries, self.announcer)
        return None if made.idle else made

    async def close(self) -> None:
        """Send nothing more."""
        await self.announcer.close()
        await self.queries.close()


def tidings_of(project: Project, installation: str, log: EventLog, signal: Signal, cache: Cache) -> Tidings:
    """Read from the contracts of all modules, hosted here or not, who depends on which events."""
    contracts = list(_contracts(project))
    queries = QueryCache(cache, installation, [one for contract in contracts for one in operations(contract)])
    followed = [one for contract in contracts for one in feeds(contract)]
    announcer = Announcer(signal, installation, followed)
    return Tidings(queries, announcer, LiveEvents(log, signal, installation, feeds=followed))


def _contracts(project: Project) -> Iterator[type]:
    for loaded in project.modules:
        if (loaded.folder / "contract.py").exists():
            names = vars(importlib.import_module(f"{loaded.package}.contract"))
            yield from (one for one in names.values() if isclass(one) and "__contract_name__" in vars(one))
