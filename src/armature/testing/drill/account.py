"""The count after a drill: what is stored, shown by the read models and delivered by the broker, against the outside history."""

import json
import sqlite3
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct

from armature.testing.history import Happened, verdicts
from armature.testing.judges import Durable, Told, judge
from armature.testing.servers import LocalPostgres
from armature.testing.stored import read_postgres

__all__ = ["Account", "count", "durable_of", "read_models_agree"]

_SETTLE_SECONDS_MAX = 60.0
_LOOK_SECONDS = 0.1


class Account(Struct, frozen=True):
    """The end of a drill. All zeros, and no faults, is what a drill must end with."""

    acknowledged: int
    in_doubt: int
    """Intents whose last word was that nobody knows; they may or may not have happened."""
    lost: int
    doubled: int
    events: int
    delivered: int | None
    """Events that the broker delivered; None without a broker."""
    undelivered: int
    faults: tuple[str, ...]
    """What the judges said."""

    @property
    def clean(self) -> bool:
        """True when nothing was lost, doubled or contradictory."""
        return not (self.lost or self.doubled or self.undelivered or self.faults)


def durable_of(server: Any, file: Path) -> Durable:
    """Return what the database holds."""
    if isinstance(server, LocalPostgres):
        return read_postgres(server, "drill")
    return _read_sqlite(file)


def count(history: list[Happened], durable: Durable, delivered: Sequence[UUID] | None, faults: Sequence[str]) -> Account:
    """Count. Effects are told apart by the request id, which the callers chose and the log kept."""
    verdict_of = verdicts(history)
    key_of = {line.attempt: line.key or line.attempt for line in history}
    happened = Counter(key_of[one] for one in durable.of_attempt() if one in key_of)
    acknowledged = [intent for intent, what in verdict_of.items() if what == "ok"]
    said = list(faults)
    try:
        judge(durable, history)
    except AssertionError as fault:
        said.append(str(fault))
    missing = 0
    if delivered is not None:
        missing = len({told.event_id for told in durable.log} - {one.bytes for one in delivered})
    return Account(
        acknowledged=len(acknowledged),
        in_doubt=sum(what == "info" for what in verdict_of.values()),
        lost=sum(intent not in happened for intent in acknowledged),
        doubled=sum(times - 1 for times in happened.values()),
        events=len(durable.log),
        delivered=None if delivered is None else len(set(delivered)),
        undelivered=missing,
        faults=tuple(said),
    )


def read_models_agree(port: int, durable: Durable) -> list[str]:
    """Wait until the projections show every version of every counter; return what they never came to show."""
    until = time.monotonic() + _SETTLE_SECONDS_MAX
    left = {name: version for name, (_, version) in durable.counters.items()}
    wrong: list[str] = []
    for name, version in left.items():
        while (shown := _lines(port, name)) != list(range(1, version + 1)):
            if time.monotonic() > until:
                wrong.append(f"the history of {name} shows {len(shown)} of {version} versions, or not in their order")
                break
            time.sleep(_LOOK_SECONDS)
    total = sum(value for value, _ in durable.counters.values())
    while (totals := _get(port, "/v1/counters/totals"))["value"] != total:
        if time.monotonic() > until:
            wrong.append(f"the totals show {totals['value']}, the counters add up to {total}")
            break
        time.sleep(_LOOK_SECONDS)
    return wrong


def _lines(port: int, name: str) -> list[int]:
    found: list[int] = []
    cursor = ""
    while True:
        page = _get(port, f"/v1/counters/{UUID(name)}/history?limit=200{cursor}")
        found += [line["version"] for line in page.get("items", [])]
        if not page.get("next_cursor"):
            return found
        cursor = f"&cursor={page['next_cursor']}"


def _get(port: int, path: str) -> Mapping[str, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            found: Mapping[str, Any] = json.load(answer)
            return found
    except OSError:
        # Not there yet: a node that starts, a read model that is being built.
        return {"items": [], "next_cursor": None, "value": None}


def _read_sqlite(file: Path) -> Durable:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        db.execute("begin")
        rows = db.execute("select id, value, version from counter_counters").fetchall()
        counters = {id.hex(): (value, version) for id, value, version in rows}
        columns = "id, event_id, stream, stream_version, payload, correlation_id"
        log = [_told(*row) for row in db.execute(f"select {columns} from armature_outbox order by id")]
        keys = [row[0] for row in db.execute("select last_id from armature_keys where not refused")]
    return Durable(counters, log, keys)


def _told(position: int, event_id: bytes, stream: str, version: int, payload: str, attempt: str) -> Told:
    data = json.loads(payload)
    name = stream.partition("/")[2].replace("-", "")
    return Told(position, event_id, name, version, data.get("value", 0), data.get("delta", 0), attempt)
