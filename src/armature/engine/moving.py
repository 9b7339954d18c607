"""Moving an installation to another database while it serves; the course, over the two ports of `ports.moving`.

Capture every change; copy all rows in short reads; follow what changed meanwhile, in rounds, each of one state; compare all
rows of both sides; then keep writers waiting for a moment, take the last changes, compare what was still in doubt, and seal
the source. Each step may be killed and the whole run again: what is done is read off the target, never remembered here.

Nothing acknowledged is lost, because an acknowledged change was either captured before the seal, and then it has been taken,
or it came after it, and then it was refused. Ids of events are kept, so positions mean what they meant; the epoch grows all
the same, because from then on the old file and the new database could give one number to two events (laws 8).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic
from typing import Any

from msgspec import Struct, json
from msgspec.structs import replace

from armature.engine.crash import crashpoint
from armature.kernel.refusals import Unavailable
from armature.ports.migrator import SchemaRefused, Trouble
from armature.ports.moving import Changes, Key, Moving, Row, Source, State, Table, Target

__all__ = ["STAYS", "TRAVELS", "Limits", "Moved", "Progress", "abort", "promote"]

LOG = "armature_outbox"
TRAVELS = frozenset(
    {
        LOG,
        "armature_keys",
        "armature_inbox",
        "armature_segments",
        "armature_consumers",
        "armature_consumed",
        "armature_dead_letters",
    }
)
"""Tables of the framework that hold what cannot be made again."""
STAYS = frozenset(
    {
        "armature_migrations",
        "armature_generations",
        "armature_checkpoints",
        "armature_parked",
        "armature_requests",
        "armature_log",
        "armature_head",
        "armature_leases",
        "armature_cursors",
        "armature_quarantine",
    }
)
"""What belongs to its database: read models and copies for brokers are made again from the log, who may do what is asked anew."""


class Limits(Struct, frozen=True):
    """How the course is cut: rows at once, changes that may wait for the pause, and how long that may last."""

    chunk_rows: int = 5_000
    remainder_max: int = 500
    pause_seconds: float = 5.0
    pauses_max: int = 20
    counted_max: int = 1_000_000
    """Tables with more rows are not counted again during the pause; they were compared row by row before it."""


class Progress(Struct, frozen=True):
    """Where a promotion stands: `rows` moved or compared in this stage, `waiting` changes behind it."""

    stage: str
    rows: int
    waiting: int
    table: str = ""


class Moved(Struct):
    """What a promotion did in this run."""

    log: str = ""
    epoch: int = 0
    head: int = 0
    copied: int = 0
    followed: int = 0
    compared: int = 0
    rounds: int = 0
    pauses: int = 0
    pause_seconds: float = 0.0
    already: bool = False
    """True when an earlier run had finished."""


Tell = Callable[[Progress], None]


def promote(source: Source, target: Target, place: str, limits: Limits, tell: Tell) -> Moved:
    """Move everything from source to target; `place` is what the source names afterwards. Raises `SchemaRefused` in words."""
    return _Course(source, target, place, limits, tell).run()


def abort(source: Source, target: Target) -> None:
    """Undo a promotion that has not sealed its source: nothing of it is left on either side."""
    place = source.sealed()
    if place is not None:
        cure = "run `armature promote` again: it finishes what is left"
        raise _refused("source", f"its data went to {place}; from then on there is no way back", cure)
    state = target.state()
    if state is not None:
        if state.of.log != source.identity().log:
            raise _refused("target", f"the promotion under way is of the log {state.of.log}", "name that log's data folder")
        target.abandon(travelling(source, target))
    source.release()


def travelling(source: Source, target: Target) -> list[Table]:
    """Return the tables that are moved, as the target describes them; refuse where the two sides do not fit."""
    there = {table.name: table for table in target.tables()}
    found: list[Table] = []
    for table in source.tables():
        if table.name in STAYS or "__" in table.name:  # generations of read models are made again
            continue
        if table.name.startswith("armature_") and table.name not in TRAVELS:
            raise _refused(table.name, "nobody said whether this table travels", "update Armature: this is a bug")
        twin = there.get(table.name)
        if twin is None or set(twin.names) != set(table.names):
            text = "the target has no such table" if twin is None else "its columns differ on the target"
            raise _refused(table.name, text, "describe it in a migration that both engines take")
        if not twin.key or twin.key != table.key:
            raise _refused(table.name, "it has no primary key, or another one there", "give it the same key in both")
        if unknown := [column.name for column in twin.columns if not column.word]:
            cure = "use the portable column words"
            raise _refused(table.name, f"nobody knows how to move the column {unknown[0]}", cure)
        found.append(twin)
    return found


class _Course:
    def __init__(self, source: Source, target: Target, place: str, limits: Limits, tell: Tell) -> None:
        self._source = source
        self._target = target
        self._place = place
        self._limits = limits
        self._tell = tell
        self._done = Moved()
        self._doubts: dict[Table, set[Key]] = {}
        """Keys of rows that differed when they were compared, which a change on its way explains or nothing does."""

    def run(self) -> Moved:
        sealed = self._source.sealed()
        of = self._source.identity()
        if sealed is None:
            tables = self._prepare(of)
            self._copy(tables)
            self._follow(tables)
            self._verify(tables)
            self._switch(tables)
        elif sealed != self._place:
            raise _refused("source", f"it was promoted to {sealed}", "name that one, and go on there")
        self._finish(of)
        return self._done

    def _prepare(self, of: Moving) -> list[Table]:
        source, target = self._source, self._target
        state = target.state()
        if state is not None and state.of != of:
            text = f"a promotion of the log {state.of.log} is under way there"
            raise _refused("target", text, "finish or abort that one, or name an empty database")
        if difference := sorted(source.applied() ^ target.applied()):
            module, number, name = difference[0]
            text = f"migration {module}/{number:04}_{name} is applied on one side only"
            raise _refused("target", text, "run `armature migrate` for the source, with this version, and start again")
        tables = travelling(source, target)
        if state is None:
            for table in tables:
                if target.count(table):
                    raise _refused("target", f"it is not empty: {table.name} has rows", "name an empty database")
        # Captured before the first row is copied: a promotion that the target knows of never lacks its changes.
        source.capture([table for table in tables if table.name != LOG])
        crashpoint("promote.captured")
        target.begin(of, tables)
        crashpoint("promote.prepared")
        return tables

    def _copy(self, tables: Sequence[Table]) -> None:
        if self._state().stage != "copying":
            return
        for table in tables:
            after = self._target.last(table)
            while rows := self._source.chunk(table, after, self._limits.chunk_rows):
                self._target.fill(table, rows)
                (after,) = table.keys_of(rows[-1:])
                self._done.copied += len(rows)
                self._tell(Progress("copy", self._done.copied, self._waiting(), table.name))
                crashpoint("promote.copied")
        self._round(tables)
        self._target.complete()
        crashpoint("promote.completed")

    def _follow(self, tables: Sequence[Table]) -> None:
        # The first round after long work takes long, and more comes meanwhile; each next one is shorter.
        while self._waiting() > self._limits.remainder_max:
            self._round(tables)

    def _round(self, tables: Sequence[Table]) -> Changes:
        log, others = _parted(tables)
        changes = self._source.changes(others, log, self._state().seq, self._last_event())
        self._target.take(changes, log)
        self._done.rounds += 1
        self._done.followed += len(changes)
        self._tell(Progress("follow", self._done.followed, self._waiting()))
        crashpoint("promote.followed")
        return changes

    def _verify(self, tables: Sequence[Table]) -> None:
        for table in tables:
            for here, there in self._pairs(table):
                # Of the log, what was archived meanwhile is gone here and still there.
                keys = here.keys() if table.name == LOG else here.keys() | there.keys()
                doubts = set(_differing(table, list(keys), here, there))
                self._doubts.setdefault(table, set()).update(doubts)
                self._done.compared += len(here)
                self._tell(Progress("compare", self._done.compared, self._waiting(), table.name))
        crashpoint("promote.verified")

    def _pairs(self, table: Table) -> Iterator[tuple[dict[Key, Row], dict[Key, Row]]]:
        after: Key | None = None
        while True:
            rows = self._source.chunk(table, after, self._limits.chunk_rows)
            upto = table.keys_of(rows[-1:])[0] if len(rows) == self._limits.chunk_rows else None
            there = self._target.between(table, after, upto)
            yield _by_key(table, rows), _by_key(table, there)
            if upto is None:
                return
            after = upto

    def _switch(self, tables: Sequence[Table]) -> None:
        for _ in range(self._limits.pauses_max):
            self._follow(tables)
            self._source.pause(self._limits.pause_seconds)
            began = monotonic()
            self._done.pauses += 1
            sealed = False
            until = self._target.until = began + self._limits.pause_seconds
            try:
                if self._is_same(tables, until):
                    self._source.seal(self._place)
                    sealed = True
            except Unavailable as away:
                text = f"it did not answer within the {self._limits.pause_seconds:g} s that writers wait; they go on"
                raise _refused("target", text, "run the same command when it answers: it goes on where it was") from away
            finally:
                self._target.until = None
                if not sealed:
                    self._source.resume()
            self._done.pause_seconds = max(self._done.pause_seconds, monotonic() - began)
            if sealed:
                crashpoint("promote.sealed")
                return
        text = f"the last changes could not be taken within {self._limits.pause_seconds:g} s, {self._limits.pauses_max} times"
        raise _refused("source", text, "try again when fewer writes come in, or allow a longer pause")

    def _is_same(self, tables: Sequence[Table], until: float) -> bool:
        """Take the last changes while nobody writes, and compare; False when time is up, a refusal when the sides differ."""
        changes = self._round(tables)
        for table, rows in changes.rows.items():
            self._doubts.setdefault(table, set()).update(rows)
        for table in tables:
            if monotonic() > until:
                return False
            keys = sorted(self._doubts.get(table, ()), key=repr)
            here, there = self._source.rows(table, keys), self._target.rows(table, keys)
            if wrong := _differing(table, keys, here, there):
                raise _refused(table.name, f"the row {wrong[0]} differs on the target", _REPORT)
            self._compare_counts(table)
        if self._last_event() != (last := self._source.last_event()) and self._source.chunk(_log(tables), None, 1):
            raise _refused(LOG, f"the log ends at {last} here and at {self._last_event()} on the target", _REPORT)
        return monotonic() <= until

    def _compare_counts(self, table: Table) -> None:
        if table.name == LOG or self._target.count(table) > self._limits.counted_max:
            return
        here, there = self._source.count(table), self._target.count(table)
        if here != there:
            raise _refused(table.name, f"{here} rows here, {there} on the target", _REPORT)

    def _finish(self, of: Moving) -> None:
        after = replace(of, epoch=of.epoch + 1)
        last = self._source.last_event()
        self._done.log, self._done.epoch, self._done.head = after.log, after.epoch, last
        state = self._target.state()
        if state is not None and state.of == of:
            self._target.finish(after, last)
            crashpoint("promote.finished")
        elif self._target.identity() != after:
            raise _refused("target", "the promotion that sealed the source is not there", "name the database it went to")
        else:
            self._done.already = True

    def _state(self) -> State:
        state = self._target.state()
        if state is None:
            raise _refused("target", "the promotion was aborted meanwhile", "begin again")
        return state

    def _waiting(self) -> int:
        return self._source.waiting(self._state().seq, self._last_event())

    def _last_event(self) -> int:
        key = self._target.last(_OUTBOX)
        return int(key[0]) if key else 0


_OUTBOX = Table(LOG, (), ("id",))
_REPORT = "nothing was switched; `armature promote --abort`, then report this as a bug"


def _differing(table: Table, keys: Sequence[Key], here: Mapping[Key, Row], there: Mapping[Key, Row]) -> list[Key]:
    """Return the keys whose rows differ. Engines write one JSON value differently, so that is compared as a value."""
    words = [column.word == "jsonb" for column in table.columns]
    found = [key for key in keys if here.get(key) != there.get(key)]
    return [key for key in found if not any(words) or _values(words, here.get(key)) != _values(words, there.get(key))]


def _values(is_json: Sequence[bool], row: Row | None) -> list[Any]:
    return [json.decode(value) if of and value else value for of, value in zip(is_json, row or (), strict=False)]


def _by_key(table: Table, rows: Sequence[Row]) -> dict[Key, Row]:
    return dict(zip(table.keys_of(rows), rows, strict=True))


def _parted(tables: Sequence[Table]) -> tuple[Table, list[Table]]:
    return _log(tables), [table for table in tables if table.name != LOG]


def _log(tables: Sequence[Table]) -> Table:
    return next(table for table in tables if table.name == LOG)


def _refused(place: str, text: str, cure: str) -> SchemaRefused:
    return SchemaRefused(Trouble(place, 0, text, cure))
