"""A system that moves from SQLite to PostgreSQL under load and is killed at every stage of it; and what is true afterwards.

The load comes from a process of its own, which writes down what it was told; what it knows is compared with what is stored.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec
from msgspec import Struct

from armature.adapters.postgres.session import connected
from armature.testing.crash import crash_at
from armature.testing.server import RunningServer
from armature.testing.servers import free_port
from tests.moving.bulk import fill
from tests.moving.world import ROOT, armature

__all__ = ["PAUSE_SECONDS_MAX", "SEALED", "STAGES", "Installation", "Outcome", "moves"]

STAGES = (
    "promote.captured",
    "promote.prepared",
    "promote.copied:3",
    "promote.completed",
    "promote.followed",
    "promote.verified",
    "promote.sealed",
    "promote.finished",
)
SEALED = ("promote.sealed", "promote.finished")
PAUSE_SECONDS_MAX = 5.0
_COUNTERS = 20
_LOOK_SECONDS = 0.05
_SETTLE_SECONDS_MAX = 900.0
_RUN = "from armature.cli.main import main; main()"


class Outcome(Struct):
    """What was seen on the way. `served` by stage: whether a write was acknowledged after the death there."""

    rows: int = 0
    served: dict[str, bool] = {}
    refusal: str = ""
    opened_again: str = ""
    moved: dict[str, Any] = {}
    longest_wait: float = 0.0
    promote_seconds: float = 0.0
    acknowledged: int = 0
    acknowledged_after: int = 0


class Installation:
    """The data folder, the address of the new database, and both systems."""

    def __init__(self, folder: Path, url: str) -> None:
        self.data, self.url = folder / "data", url
        self.file = self.data / "armature.db"
        self.history = folder / "history.jsonl"
        words = ("--topology", "single-postgres", "--environment", "postgres")
        environ = {"ARMATURE_POSTGRES_URL": url}
        self.old = RunningServer(ROOT, data=self.data)
        self.new_port = free_port()
        self.new = RunningServer(ROOT, data=self.data, environ=environ, port=self.new_port, words=words)
        self.counters: list[str] = []

    def begin(self, rows: int) -> int:
        """Fill the file, start the old system and make the counters that the callers move."""
        self.data.mkdir()
        done = armature("migrate", "--data", str(self.data))
        assert done.returncode == 0, done.stderr
        filled = fill(self.file, rows)
        self.old.launch()
        self.wait_ready(self.old)
        for n in range(_COUNTERS):
            made = self.old.post("/v1/counters", json={"name": f"live {n}"}, headers={"x-request-id": f"made-{n}"})
            self.counters.append(made.json()["id"])
        return filled

    def wait_ready(self, server: RunningServer) -> None:
        """Wait until the read models are built, however long that takes."""
        until = time.monotonic() + _SETTLE_SECONDS_MAX
        while True:
            try:
                server.wait_ready()
                return
            except AssertionError:
                if server.exit_code is not None or time.monotonic() > until:
                    raise

    @contextmanager
    def calling(self, rate: float, outcome: Outcome) -> Iterator[None]:
        """Let callers call meanwhile."""
        old = self.old.url.rpartition(":")[2]
        words = [str(self.history), str(rate), "8", f"{old},{self.new_port}", ",".join(self.counters)]
        command = [sys.executable, "-m", "tests.moving.callers", *words]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield
                told, _ = process.communicate(timeout=120)
                outcome.longest_wait = float(told)
            finally:
                process.kill()

    def acknowledged(self) -> int:
        """Return how many writes were acknowledged so far."""
        return self.history.read_bytes().count(b'{"what":"ok"') if self.history.exists() else 0

    def goes_on(self, count: int, seconds: float = 30.0) -> bool:
        """Wait until so many more writes were acknowledged."""
        wanted, until = self.acknowledged() + count, time.monotonic() + seconds
        while self.acknowledged() < wanted:
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def promote(self) -> list[str]:
        """Return the command's words."""
        return ["promote", "--data", str(self.data), "--to", self.url]

    def here(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the file."""
        with closing(apsw.Connection(str(self.file))) as db:
            return db.execute(sql).fetchall()

    def there(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the new database."""
        with connected(self.url) as session:
            return session.rows(sql)

    def close(self) -> None:
        """End both systems."""
        self.old.close()
        self.new.close()


def moves(
    there: Installation,
    *,
    rows: int,
    rate: float,
    stages: Sequence[str],
    say: Callable[[str], None],
    outcome: Outcome | None = None,
) -> Outcome:
    """Run the whole course: load, a death at each stage, the switch, the new system, rest.

    A given `outcome` knows what was seen until then also when the course ends early.
    """
    outcome = outcome or Outcome()
    outcome.rows = there.begin(rows)
    say(f"{outcome.rows} rows; the callers begin")
    with there.calling(rate, outcome):
        assert there.goes_on(20)
        began = time.monotonic()
        for stage in stages:
            crash_at(stage, [sys.executable, "-c", _RUN, *there.promote()], cwd=ROOT, timeout_seconds=_SETTLE_SECONDS_MAX)
            outcome.served[stage] = stage not in SEALED and there.goes_on(5)
            say(f"killed at {stage} after {time.monotonic() - began:.1f} s, {there.acknowledged()} acknowledged")
        outcome.refusal = there.old.post("/v1/counters", json={"name": "late"}).body.decode()
        done = armature(*there.promote(), "--json")
        assert done.returncode == 0, done.stderr
        outcome.moved = msgspec.json.decode(done.stdout)
        outcome.promote_seconds = time.monotonic() - began
        outcome.opened_again = armature("run", "--port", "0", "--data", str(there.data)).stderr
        there.new.launch()
        before = there.acknowledged()
        assert there.goes_on(50, seconds=120), there.new.log[-3000:]
        say(f"{there.acknowledged()} acknowledged, the last ones on PostgreSQL")
    outcome.acknowledged = there.acknowledged()
    outcome.acknowledged_after = outcome.acknowledged - before
    there.wait_ready(there.new)
    _settle(there)
    return outcome


def _settle(there: Installation) -> None:
    until = time.monotonic() + _SETTLE_SECONDS_MAX
    while time.monotonic() < until:
        (found,) = there.there(_BEHIND)
        if found == (0, 0):
            return
        time.sleep(_LOOK_SECONDS)
    raise AssertionError(f"after {_SETTLE_SECONDS_MAX:g} s events wait for their position or read models are behind: {found}")


_BEHIND = """
select (select count(*) from armature_outbox where position is null),
       (select count(*) from armature_generations g
          left join armature_checkpoints c using (projection, generation)
         where g.state <> 'retired' and coalesce(c.position, 0) < (select max(position) from armature_outbox))
"""
