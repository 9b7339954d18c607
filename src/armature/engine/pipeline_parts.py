"""What the pipelines of one process share, and whom they tell what happens."""

from collections.abc import Callable

from msgspec import Struct, field

from armature.engine.after_commit import AfterCommit
from armature.engine.caching import QueryCache
from armature.engine.call import Sources
from armature.engine.deadlines import Deadlines
from armature.engine.hot_rows import HotRows
from armature.engine.idempotency import Keys
from armature.engine.policies import Policies
from armature.engine.room import Room
from armature.engine.trace import Tracer
from armature.ports.database import Database
from armature.ports.limiter import Limiter

__all__ = ["Parts"]


class Parts(Struct, frozen=True):
    """What all pipelines of a process share."""

    database: Database
    keys: Keys
    limiter: Limiter
    policies: Policies
    sources: Sources
    deadlines: Deadlines
    hot: HotRows
    tracer: Tracer
    reruns: Callable[[str], None] = lambda operation: None
    """Told of each re-run, with the operation's name."""
    limited: Callable[[str], None] = lambda operation: None
    """Told of each call that a rate refused, with the operation's name."""
    told: Callable[[], None] = lambda: None
    """Called after each commit that recorded events."""
    after_commit: AfterCommit | None = None
    """Awaited after each commit that recorded events, with them, before the answer; None: nobody needs to know."""
    caches: QueryCache | None = None
    """Keeps answers of queries that declare it; None: every query runs."""
    advice: Callable[[str, frozenset[str]], None] = lambda operation, tables: None
    """Development: told which tables a command read and neither wrote nor guarded."""
    room: Room = field(default_factory=Room)
    """Whether the broker can be given more events."""
