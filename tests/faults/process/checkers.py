"""What the judges are shown of the SQLite file: the durable state, and the read models."""

from collections import defaultdict
from pathlib import Path
from typing import Any, Self

import apsw
import msgspec
from msgspec import Struct

from armature.testing import judges
from armature.testing.judges import Told, adds_up, all_or_nothing, dense_versions, final_positions, judge, once_for_each_key

__all__ = [
    "Durable",
    "ReadModels",
    "Told",
    "adds_up",
    "all_or_nothing",
    "dense_versions",
    "final_positions",
    "folded",
    "judge",
    "once_for_each_key",
]


class Durable(judges.Durable, frozen=True):
    """What the file holds."""

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read everything in one transaction; a damaged file fails here."""
        db = apsw.Connection(str(file))
        try:
            db.set_busy_timeout(5_000)
            assert db.execute("pragma quick_check").get == "ok"
            db.execute("begin")
            counters = {
                id.hex(): (value, version) for id, value, version in db.execute("select id, value, version from counter_counters")
            }
            log = [
                _told(row)
                for row in db.execute(
                    "select id, event_id, stream, stream_version, payload, correlation_id from armature_outbox order by id"
                )
            ]
            keys = [row[0] for row in db.execute("select last_id from armature_keys where not refused")]
            return cls(counters, log, keys)
        finally:
            db.close()


def _told(row: tuple[Any, ...]) -> Told:
    position, event_id, stream, version, payload, attempt = row
    data = msgspec.json.decode(payload)
    name = stream.partition("/")[2].replace("-", "")
    return Told(position, event_id, name, version, data.get("value", 0), data.get("delta", 0), attempt)


class ReadModels(Struct, frozen=True):
    """What the live generations hold: each counter's lines as (version, operation, value), and the totals of the tenant."""

    history: dict[str, list[tuple[int, str, int]]]
    totals: tuple[int, int, int]
    checkpoints: dict[str, int]

    @classmethod
    def read(cls, file: Path) -> "ReadModels":
        """Read both live generations and their checkpoints in one transaction."""
        db = apsw.Connection(str(file))
        try:
            db.set_busy_timeout(5_000)
            db.execute("begin")

            def rows(sql: str) -> list[Any]:
                return db.execute(sql).fetchall()

            live: dict[Any, Any] = dict(rows(_LIVE))
            history: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
            for name, *line in db.execute(
                f"select counter_id, version, operation, value from counter_history__{live['counter.history']} order by version"
            ):
                history[name.hex()].append(tuple(line))
            totals = rows(f"select counters, value, changes from counter_totals__{live['counter.totals']}")
            return cls(dict(history), totals[0] if totals else (0, 0, 0), dict(rows(_CHECKPOINTS)))
        finally:
            db.close()


_LIVE = "select projection, max(generation) from armature_generations where state = 'live' group by projection"
_CHECKPOINTS = """
select c.projection, c.position
  from armature_checkpoints c
  join armature_generations g on g.projection = c.projection and g.generation = c.generation and g.state = 'live'
 order by g.generation
"""


def folded(durable: Durable, models: ReadModels) -> None:
    """I12, I13: each read model is the log up to its checkpoint, nothing skipped and nothing twice."""
    upto = models.checkpoints["counter.history"]
    lines: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for told in durable.log[:upto]:
        lines[told.stream].append((told.version, told.value))
    found = {name: [(version, value) for version, _, value in at] for name, at in models.history.items()}
    assert found == dict(lines), f"the history is not the log up to {upto}"
    past = durable.log[: models.checkpoints["counter.totals"]]
    expected = (sum(told.version == 1 for told in past), sum(told.delta for told in past), len(past))
    assert models.totals == expected, f"totals {models.totals}, the log says {expected}"
