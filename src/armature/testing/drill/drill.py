"""The course of a drill: install, load, kill and mend by a seeded schedule, come to rest, count."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import IO
from urllib.request import Request, urlopen

import msgspec
from msgspec import Struct

from armature.runtime.model import Model
from armature.runtime.placing import home
from armature.runtime.project import Project
from armature.testing.drill import delivered
from armature.testing.drill.account import Account, count, durable_of, read_models_agree
from armature.testing.drill.followed import limit, quotas_agree
from armature.testing.drill.installation import Installation, Part
from armature.testing.history import read_history

__all__ = ["Drill", "Length", "Seen", "Watch"]

_COUNTERS = 48
_FORTUNE = 1_000_000
_CLIENTS = 32
_LOOK_SECONDS = 0.2
# An intent may be answered more than once: it is repeated under its key on purpose, and counts once.
_ACKNOWLEDGED = re.compile(rb'\{"what":"ok","attempt":"([^"]+)-a\d+"')
_TIMES_MAX = 3
"""So many times as long as asked it goes on when it has not proven enough."""
_MENDED_AFTER_SECONDS = 0.4
_REST_SECONDS_MAX = 90.0
_WORKS_SECONDS_MAX = 30.0
"""So long it is waited at most for what was killed to work again, before something else is killed."""
_FOLLOWED = 6
"""So many counters have a quota, where quotas follow them from one log to another."""
_CREATE_SECONDS_MAX = 60.0


class Seen(Struct, frozen=True):
    """How a drill stands: what was told so far, and what was killed how often."""

    seconds: float
    acknowledged: int
    in_doubt: int
    kills: Mapping[str, int]
    last: str


Watch = Callable[[Seen], None]


class Length(Struct, frozen=True):
    """How long a drill is: seconds, kills of each part, and acknowledged commands, all at least."""

    seconds: float = 60.0
    kills: int = 3
    acknowledged: int = 0


class _Kill(Struct, frozen=True):
    """When something was killed last, and what was acknowledged until then."""

    seconds: float
    acknowledged: int


class Drill:
    """One drill of a topology. `run` returns the account; `kills` says what was killed how often."""

    def __init__(self, model: Model, project: Project, environ: Mapping[str, str], length: Length, *, seed: int) -> None:
        self._model = model
        self._project = project
        self._environ = environ
        self._length = length
        self._seed = seed
        self._dice = Random(seed)
        self._types = sorted(event for loaded in project.modules for event in _event_types(loaded.folder))
        self.kills: Mapping[str, int] = {}

    def run(self, watch: Watch) -> Account:
        """Do it all; whatever happens, nothing is left running."""
        with Installation(self._model, self._environ, self._dice) as there:
            broker = delivered.prepare(self._model, self._project, there.environ, self._types)
            counters = _create(there.ports[0])
            if self._followed:
                limit(there.ports[0], counters[:_FOLLOWED])
            history = there.folder / "history.jsonl"
            parts = there.parts()
            with _calling(there, history, counters, self._seed) as callers:
                sight = _Sight(parts, history, watch)
                self._kill(parts, sight)
                sight.tell("everything is mended; the callers finish")
                callers.communicate(timeout=_REST_SECONDS_MAX)
                if callers.returncode != 0:
                    raise RuntimeError(f"the callers ended with {callers.returncode}")
            self.kills = sight.tell("the system comes to rest").kills
            return self._count(there, history, broker, counters)

    @property
    def _followed(self) -> bool:
        """Whether quotas follow the counters over two logs."""
        known = {loaded.name for loaded in self._project.modules}
        return "quota" in known and home(self._model, "quota") != home(self._model, "counter")

    def _count(self, there: Installation, history: Path, broker: bool, counters: Sequence[str]) -> Account:
        server = there.servers.get("postgres")
        until = time.monotonic() + _REST_SECONDS_MAX
        durable = durable_of(server, there.database)
        while any(not told.position for told in durable.log) and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS)
            durable = durable_of(server, there.database)
        faults = read_models_agree(there.ports[0], durable)
        if self._followed:
            faults += quotas_agree(there.ports[0], durable, counters[:_FOLLOWED])
        got = None
        if broker:
            got = delivered.drain(self._model, self._project, there.environ, self._types, len(durable.log))
        return count(read_history(history), durable, got, faults)

    def _kill(self, parts: Sequence[Part], sight: "_Sight") -> None:
        """Kill one part after the other, in an order of the seed; each when it works, and callers were served since the last."""
        rounds = [part for _ in range(self._length.kills) for part in self._dice.sample(list(parts), len(parts))]
        pause = self._length.seconds / (len(rounds) + 1)
        mends: list[tuple[float, Part]] = []
        killed = _Kill(0.0, 0)
        at, last = 1, "the load has begun"
        while self._goes_on(seen := sight.tell(last)) or at <= len(rounds) or mends:
            now = seen.seconds
            for due, part in [one for one in mends if one[0] <= now]:
                part.mend()
                mends.remove((due, part))
                last = f"{part.name} is started again"
            if at <= len(rounds) and now >= at * pause:
                part = rounds[at - 1]
                if all(one is not part for _, one in mends) and _works(part, seen, killed) and part.kill():
                    at, killed = at + 1, _Kill(now, seen.acknowledged)
                    mends.append((now + _MENDED_AFTER_SECONDS, part))
                    last = f"{part.name} is killed"
            time.sleep(_LOOK_SECONDS)

    def _goes_on(self, seen: Seen) -> bool:
        length = self._length
        few = seen.acknowledged < length.acknowledged and seen.seconds < _TIMES_MAX * length.seconds
        return seen.seconds < length.seconds or few


def _works(part: Part, seen: Seen, last: _Kill) -> bool:
    """Whether a part may be killed: what is dead already proves nothing, nor does killing what nobody could use meanwhile."""
    if seen.seconds - last.seconds > _WORKS_SECONDS_MAX:
        return True
    return seen.acknowledged > last.acknowledged and part.up()


class _Sight:
    """What can be seen of a drill while it goes on. The history is read on from where it was read before."""

    def __init__(self, parts: Sequence[Part], history: Path, watch: Watch) -> None:
        self._parts = parts
        self._history = history
        self._watch = watch
        self._began = time.monotonic()
        self._read = 0
        self._acknowledged: set[bytes] = set()
        self._in_doubt = 0

    @property
    def seconds(self) -> float:
        """Since the load began."""
        return time.monotonic() - self._began

    def tell(self, last: str) -> Seen:
        """Look, tell the watcher, and return it."""
        if self._history.exists():
            with self._history.open("rb") as file:
                file.seek(self._read)
                text = file.read()
            text = text[: text.rfind(b"\n") + 1]
            self._read += len(text)
            self._acknowledged.update(_ACKNOWLEDGED.findall(text))
            self._in_doubt += text.count(b'{"what":"info"')
        kills = {part.name: part.kills for part in self._parts}
        seen = Seen(self.seconds, len(self._acknowledged), self._in_doubt, kills, last)
        self._watch(seen)
        return seen


@contextmanager
def _calling(there: Installation, history: Path, counters: Sequence[str], seed: int) -> Iterator[subprocess.Popen[bytes]]:
    words = [str(history), str(_CLIENTS), str(seed), ",".join(map(str, there.ports)), ",".join(counters)]
    log: IO[bytes]
    with (there.folder / "callers.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "armature.testing.drill.callers", *words], stdin=subprocess.PIPE, stderr=log
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _create(port: int) -> list[str]:
    """Create the counters and give each something to transfer."""
    made = []
    for n in range(_COUNTERS):
        identity = _post(port, "/v1/counters", {"name": f"c{n}"})["id"]
        _post(port, f"/v1/counters/{identity}/increment", {"by": _FORTUNE})
        made.append(str(identity))
    return made


def _post(port: int, path: str, body: object) -> dict[str, object]:
    request = Request(
        f"http://127.0.0.1:{port}{path}", msgspec.json.encode(body), {"content-type": "application/json"}, method="POST"
    )
    until = time.monotonic() + _CREATE_SECONDS_MAX
    while True:
        try:
            with urlopen(request, timeout=10) as answer:
                found: dict[str, object] = msgspec.json.decode(answer.read())
                return found
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(_LOOK_SECONDS)


def _event_types(folder: Path) -> list[str]:
    """The events of the counters, as their contract names them."""
    return [f"counter.{word}" for word in ("created", "changed", "deleted")] if folder.name == "counter" else []
