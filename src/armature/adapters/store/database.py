"""The database port in a process that does not own the file: reads go to the file itself, units and turns to its owner.

All units of one turn of the loop leave in one frame, and the owner commits what waits together, whoever sent it: so the
processes of a machine share one writer and its syncs. A read sees every unit whose verdict was told, since the log of the file
is shared memory for all who have it open. A turn's reads travel: it must see what stands before it in the owner's transaction,
and that is in no file yet.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, Protocol

from armature.adapters.store import guest_says, owner_says
from armature.adapters.store.ends import raised
from armature.adapters.store.frames import encode
from armature.adapters.store.guest import Guest
from armature.adapters.store.hand import Handed
from armature.adapters.store.owner_says import End
from armature.adapters.store.shapes import Parts, Plain
from armature.adapters.store.statements import defined
from armature.adapters.store.witness import WITNESSES, ask_the_file
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import Statement
from armature.ports.database import Bound, Decide, Owner, Row, Unit, Verdict

__all__ = ["Reading", "StoreDatabase"]

_GUESSES_MAX = 1_000


class Reading(Protocol):
    """The file as this process reads it."""

    async def open(self) -> None:
        """Open it."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...

    def bind(self, statements: Iterable[Statement]) -> None:
        """Compile statements, changes too."""
        ...

    async def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        """Return the rows of each select, all as of one state."""
        ...

    def columns(self, statement: Statement) -> tuple[str, ...]:
        """Return a select's columns in their order."""
        ...

    def plain(self, bound: Bound) -> list[Any]:
        """Return a statement's values as the file keeps them."""
        ...

    def shaped(self, statement: Statement, rows: list[Any]) -> list[Any]:
        """Return rows as the file keeps them as the statement's shape."""
        ...


class StoreDatabase:
    """A `Database` in a guest; `reading` is the file that the owner owns. The guest is opened and closed here."""

    takes_kept = True

    def __init__(self, reading: Reading, guest: Guest, *, patience_seconds: float) -> None:
        self._reading = reading
        self._guest = guest
        self.reached = guest.reached
        self._hands = guest.hands
        self._patience = patience_seconds
        self._statements: list[Statement] = []
        self._numbers: dict[Statement, int] = {}
        self._defined = 0
        self._guesses: OrderedDict[tuple[Row, ...], tuple[Bound, ...]] = OrderedDict()
        """What the last turn on some rows asked first; the next one on them is likely to ask the same, and saves a round trip."""
        self._turns: dict[int, tuple[tuple[Row, ...], tuple[Bound, ...]]] = {}
        """Of each turn the rows it is about, and the reads that were sent with it."""
        self._asks: dict[int, asyncio.Future[owner_says.Rows]] = {}
        self._state = "not open yet"
        guest.hands.witness = self._witness
        guest.welcomes.append(self._introduce)
        guest.hears.update({owner_says.YourTurn: self._begin_turn, owner_says.Rows: self._answer_turn})

    async def open(self) -> None:
        """Find the owner, who has made and migrated the file before it listens; then open the file."""
        if self._state != "not open yet":
            raise Unavailable(what=f"database: it is {self._state}; make a new one to open it again")
        await self._guest.open(self._patience)
        try:
            await self._reading.open()
        except BaseException:
            await self._guest.close()
            raise
        self.read = self._reading.read  # type: ignore[method-assign]  # a call less on the way of every read
        self._state = "open"

    async def close(self) -> None:
        """Wait for the verdicts in hand, then let go. A second close does nothing."""
        if self._state != "open":
            return
        self._state = "closed"
        self.read = self._closed  # type: ignore[method-assign]
        await self._guest.close()
        self._reading.close()

    def bind(self, statements: Iterable[Statement]) -> None:
        """Compile statements on the file; the owner is told of them before the first unit that has one."""
        self._must_be_open()
        for statement in statements:
            if statement not in self._numbers:
                self._reading.bind((statement,))
                self._numbers[statement] = len(self._statements)
                self._statements.append(statement)

    async def read(self, asks: Sequence[Bound]) -> list[list[Any]]:
        """Return the rows of each select, all as of one state."""
        self._must_be_open()
        return await self._reading.read(asks)

    async def commit(self, unit: Unit) -> Verdict:
        """Commit one unit, together with whoever else waits, in this process and in the others."""
        self._must_be_up()
        parts = self._parts(unit)
        handed = self._hands.take(unit.owner, unit)

        def message() -> bytes:
            return encode(guest_says.Commit(handed.id, unit.owner.deadline - monotonic(), parts))

        self._hands.send(handed, message)
        verdict: Verdict = await handed.done
        return verdict

    async def turn(self, rows: Sequence[Row], decide: Decide, owner: Owner) -> Verdict:
        """Let `decide` run here while nobody else writes, then commit what it returns."""
        self._must_be_up()
        handed = self._hands.take(owner, decide=decide)
        guess = self._guesses.get(tuple(rows), ())
        self._turns[handed.id] = tuple(rows), guess
        handed.done.add_done_callback(lambda done: self._turns.pop(handed.id, None))
        asks = self._plain(guess)
        self._hands.send(handed, lambda: encode(guest_says.Turn(handed.id, owner.deadline - monotonic(), asks)))
        verdict: Verdict = await handed.done
        return verdict

    async def script(self, text: str) -> None:
        """Run statements that are no units in one transaction of the owner."""
        self._must_be_open()
        await self._guest.ask(lambda id: guest_says.Script(id, text), unsure=True)

    @property
    def commits(self) -> int:
        """Zero: the owner counts what it commits, and a sum over processes is to count it once."""
        return 0

    @property
    def batches(self) -> int:
        """Zero, as `commits`."""
        return 0

    def _introduce(self) -> None:
        """A new connection knows no statement."""
        self._defined = 0
        self._define()

    # turns

    def _answer_turn(self, rows: owner_says.Rows) -> None:
        waiting = self._asks.pop(rows.id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(rows)

    def _begin_turn(self, yours: owner_says.YourTurn) -> None:
        id, handed = yours.id, self._hands.held(yours.id)
        if handed is None or handed.ended:
            self._hands.send(None, lambda: encode(guest_says.Declined(id)))
            return
        loop = asyncio.get_running_loop()
        handed.task = loop.create_task(self._decide(handed, yours.rows), context=handed.context, name="armature-store-turn")

    async def _decide(self, handed: Handed, guessed: list[list[Any]] | None) -> None:
        over, first = False, True
        about, guess = self._turns[handed.id]

        async def read(asks: Sequence[Bound]) -> list[list[Any]]:
            nonlocal first
            if over or handed.ended:
                raise Unavailable(what="database: the turn is over")
            if first:
                first = False
                if guessed is not None and guess == tuple(asks):
                    return self._shaped(asks, guessed)
                self._remember(about, asks)
            return await self._read_in_turn(handed, asks)

        try:
            assert handed.decide is not None
            unit = await handed.decide(read)
            if not isinstance(unit, Unit):
                raise TypeError(f"a turn decides on a Unit, not on {unit!r}")
            parts = self._parts(unit)
        except BaseException as error:
            self._hands.send(None, lambda: encode(guest_says.Declined(handed.id)))
            handed.raise_at(error)
            if not isinstance(error, Exception):
                raise
            return
        finally:
            over = True
        if handed.ended:
            self._hands.send(None, lambda: encode(guest_says.Declined(handed.id)))
            return
        handed.unit, handed.since = unit, self._hands.head
        self._hands.send(handed, lambda: encode(guest_says.Decided(handed.id, parts)))

    async def _read_in_turn(self, handed: Handed, asks: Sequence[Bound]) -> list[list[Any]]:
        plain = self._plain(asks)
        waiting: asyncio.Future[owner_says.Rows] = asyncio.get_running_loop().create_future()
        self._asks[handed.id] = waiting
        self._hands.send(handed, lambda: encode(guest_says.Ask(handed.id, plain)))
        try:
            await asyncio.wait((waiting, handed.done), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._asks.pop(handed.id, None)
        if not waiting.done():
            raise Unavailable(what="database: the turn is over")
        told = waiting.result()
        if told.end is not End.DONE:
            raise raised(told.end, told.text)
        return self._shaped(asks, told.rows)

    def _shaped(self, asks: Sequence[Bound], told: list[list[Any]]) -> list[list[Any]]:
        return [self._reading.shaped(statement, rows) for (statement, _), rows in zip(asks, told, strict=True)]

    def _remember(self, about: tuple[Row, ...], asks: Sequence[Bound]) -> None:
        if about:
            self._guesses[about] = tuple(asks)
            while len(self._guesses) > _GUESSES_MAX:
                self._guesses.popitem(last=False)

    # units

    def _parts(self, unit: Unit) -> Parts:
        return Parts(unit.lane, self._plain(unit.writes), self._plain(unit.guards), unit.events, unit.key, unit.rows_max)

    def _plain(self, bounds: Sequence[Bound]) -> list[Plain]:
        found: list[Plain] = [(self._number(bound[0]), self._reading.plain(bound)) for bound in bounds]
        if self._defined < len(self._statements):
            self._define()
        return found

    def _number(self, statement: Statement) -> int:
        number = self._numbers.get(statement)
        if number is None:
            raise LookupError(f"{statement.home}: this statement was never bound; name it to `bind` at start")
        return number

    def _define(self) -> None:
        first, self._defined = self._defined, len(self._statements)
        fresh = [defined(one, self._reading.columns(one)) for one in self._statements[first:]]
        if fresh:
            self._hands.send(None, lambda: encode(guest_says.Define(first, fresh)))

    async def _witness(self, unit: Unit, since: int) -> Verdict | None:
        self._reading.bind(WITNESSES)
        return await ask_the_file(self._reading.read, unit, since)

    async def _closed(self, asks: Sequence[Bound]) -> list[list[Any]]:
        raise Unavailable(what="database: closed")

    def _must_be_open(self) -> None:
        if self._state != "open":
            raise Unavailable(what=f"database: {self._state}")

    def _must_be_up(self) -> None:
        self._must_be_open()
        self._guest.must_be_up()
