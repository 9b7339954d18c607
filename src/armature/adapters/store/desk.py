"""One guest's connection at the owner: what it says is queued, what became of it is told."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from time import monotonic
from typing import Any, Protocol, cast

import msgspec

from armature.adapters.store import guest_says, owner_says
from armature.adapters.store.ends import ended, index_of, told_of
from armature.adapters.store.frames import VERSION, Frames, WireBroken, encode, framed
from armature.adapters.store.owner_says import End, Told
from armature.adapters.store.shapes import Definition, Parts, Plain
from armature.adapters.store.shared import Listening, Shared, called
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import Statement
from armature.ports.database import Bound, Committed, Read, Unit, Verdict

__all__ = ["Desk", "Session"]

_REMEMBERED = 16_384
"""Ends remembered of a guest. What it may have missed are the last ones told, no more than it had in hand at a time."""


class _Patience:
    """Who waits for a guest's unit, seen from here."""

    __slots__ = ("deadline", "gone", "in_hand")

    def __init__(self, left: float) -> None:
        self.deadline = monotonic() + left
        self.gone = False
        self.in_hand = False


class _TurnHere:
    """A turn while its guest decides: `said` is what the guest says next, an ask or its unit."""

    __slots__ = ("granted", "owner", "said")

    def __init__(self, owner: _Patience) -> None:
        self.owner = owner
        self.granted = False
        self.said: asyncio.Queue[guest_says.Ask | guest_says.Decided | BaseException] = asyncio.Queue()


_InHand = tuple[_Patience, "asyncio.Future[Any]", _TurnHere | None]


class Session:
    """What the owner knows of one guest over all its connections."""

    def __init__(self) -> None:
        self.desk: Desk | None = None
        self.in_hand: dict[int, _InHand] = {}
        self.ends: OrderedDict[int, Told] = OrderedDict()

    def waiting(self) -> list["asyncio.Future[Any]"]:
        """Return what has no verdict yet."""
        return [future for _, future, _ in self.in_hand.values()]

    def end(self, told: Told) -> None:
        """Remember, and tell whoever listens for this guest now."""
        self.in_hand.pop(told.id, None)
        self.ends[told.id] = told
        while len(self.ends) > _REMEMBERED:
            self.ends.popitem(last=False)
        if self.desk is not None:
            self.desk.say(told)

    def leave(self) -> None:
        """The guest is gone: what is not formed yet is dropped, a turn ends at once."""
        for owner, _, turn in self.in_hand.values():
            owner.gone = True
            if turn is not None:
                turn.said.put_nowait(Unavailable(what="database: the process that had the turn has left"))


class House(Protocol):
    """What a desk asks of the server it stands in."""

    instance: bytes
    served: Any
    desks: set["Desk"]
    committed: Callable[[], None]
    shared: Shared

    @property
    def file(self) -> tuple[int, int]:
        """What is owned."""
        ...

    def statement(self, definition: Definition) -> Statement | str:
        """Return a compiled statement, or why there is none."""
        ...

    def session(self, name: bytes) -> Session:
        """Return what is remembered of a guest."""
        ...

    def left(self, desk: "Desk") -> None:
        """A connection is over."""
        ...

    def run(self, work: Any) -> None:
        """Let something take its time."""
        ...


class Desk(asyncio.Protocol):
    """A connection. What one guest says is done in its order; nothing here waits."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._session: Session | None = None
        self._statements: list[Statement | str] = []
        self._out: list[bytes] = []
        self._leaving = False
        self._listening = Listening(self)
        self._does: dict[type, Callable[[Any], None]] = {
            guest_says.Define: self._define,
            guest_says.Commit: self._commit,
            guest_says.Turn: self._turn,
            guest_says.Ask: self._heard_in_turn,
            guest_says.Decided: self._heard_in_turn,
            guest_says.Declined: self._leave,
            guest_says.Leave: self._leave,
            guest_says.Became: self._became,
            guest_says.Script: self._script,
            guest_says.Call: self._call,
            guest_says.Ping: lambda ping: self.say(Told(ping.id, End.DONE)),
        }

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._house.desks.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._house.left(self)
        self._listening.close()
        self._transport = None
        if self._session is not None and self._session.desk is self:
            self._session.desk = None
            self._session.leave()

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.cut(data):
                for said in guest_says.of_guest(body):
                    self._hear(said)
        except (WireBroken, msgspec.MsgspecError):
            self.hang_up()

    # what the server asks for

    def say(self, message: Any) -> None:
        """Say something with everything else that is said in this turn of the loop."""
        if self._transport is None:
            return
        if not self._out:
            asyncio.get_running_loop().call_soon(self._write)
        self._out.append(encode(message))

    def leave(self) -> None:
        """Take nothing new from now on."""
        self._leaving = True

    def hang_up(self) -> None:
        """End the connection after what was said."""
        self._write()
        if self._transport is not None:
            self._transport.close()

    def _write(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(framed(out))

    # what a guest says

    def _hear(self, said: Any) -> None:
        if isinstance(said, guest_says.Hello):
            self._welcome(said)
        elif self._session is None:
            self.hang_up()
        else:
            self._does[type(said)](said)

    def _welcome(self, hello: guest_says.Hello) -> None:
        if hello.version != VERSION:
            text = f"the owner of the file speaks version {VERSION} of the store's language, this process {hello.version}"
            self.say(owner_says.Refused(f"database: {text}; run one release in all processes"))
            self.hang_up()
            return
        self._session = self._house.session(hello.session)
        self._session.desk = self
        self.say(owner_says.Welcome(VERSION, self._house.instance, self._house.file))

    def _define(self, said: guest_says.Define) -> None:
        del self._statements[said.first :]
        self._statements += [self._house.statement(one) for one in said.definitions]

    def _bound(self, plain: Sequence[Plain]) -> list[Bound]:
        found: list[Bound] = []
        for number, values in plain:
            statement = self._statements[number]
            if isinstance(statement, str):
                raise ValueError(statement)
            found.append((statement, tuple(values)))
        return found

    def _unit(self, parts: Parts, owner: _Patience) -> Unit:
        writes, guards = self._bound(parts.writes), self._bound(parts.guards)
        return Unit(parts.lane, owner, writes, guards, parts.events, parts.key, parts.rows_max)

    def _commit(self, said: guest_says.Commit) -> None:
        session, owner = cast(Session, self._session), _Patience(said.left)
        try:
            if self._leaving:
                raise Unavailable(what="database: the store is leaving")
            unit = self._unit(said.parts, owner)
            future = self._house.served.hand_over(unit)
        except Exception as error:
            session.end(ended(said.id, error))
            return
        session.in_hand[said.id] = (owner, future, None)
        future.add_done_callback(partial(self._verdict, session, said.id, unit))

    def _verdict(self, session: Session, id: int, unit: Unit | None, future: "asyncio.Future[Any]") -> None:
        error = future.exception() if not future.cancelled() else Unavailable(what="database: nobody waits any more")
        if error is not None:
            session.end(ended(id, error))
            return
        verdict: Verdict = future.result()
        if isinstance(verdict, Committed) and verdict.last_id is not None:
            self._house.committed()
        session.end(told_of(id, verdict, lambda lost: index_of(lost, unit)))

    def _turn(self, said: guest_says.Turn) -> None:
        session, turn = cast(Session, self._session), _TurnHere(_Patience(said.left))
        decided: list[Unit] = []

        async def decide(read: Read) -> Unit:
            turn.granted = True
            if turn.owner.gone:
                raise Unavailable(what="database: the process that had the turn has left")
            self.say(owner_says.YourTurn(said.id, await self._guessed(said.asks, read)))
            while not isinstance(heard := await turn.said.get(), guest_says.Decided):
                if isinstance(heard, BaseException):
                    raise heard
                self.say(await self._rows(heard, read))
            decided[:] = [self._unit(heard.parts, turn.owner)]
            return decided[0]

        if self._leaving:
            session.end(ended(said.id, Unavailable(what="database: the store is leaving")))
            return
        future = asyncio.ensure_future(self._house.served.turn((), decide, turn.owner))
        session.in_hand[said.id] = (turn.owner, future, turn)
        future.add_done_callback(lambda done: self._verdict(session, said.id, decided[0] if decided else None, done))

    async def _guessed(self, asks: Sequence[Plain], read: Read) -> list[list[Any]] | None:
        try:
            return await read(self._bound(asks)) if asks else None
        except Exception:
            return None  # nobody has asked this; who does is told why not

    async def _rows(self, ask: guest_says.Ask, read: Read) -> owner_says.Rows:
        try:
            return owner_says.Rows(ask.id, await read(self._bound(ask.asks)))
        except Exception as error:
            told = ended(ask.id, error)
            return owner_says.Rows(ask.id, [], told.end, told.text)

    def _heard_in_turn(self, said: guest_says.Ask | guest_says.Decided) -> None:
        _, _, turn = cast(Session, self._session).in_hand.get(said.id, (None, None, None))
        if turn is not None:  # one that has lasted too long is over, and its guest was told
            turn.said.put_nowait(said)

    def _leave(self, said: guest_says.Leave | guest_says.Declined) -> None:
        owner, _, turn = cast(Session, self._session).in_hand.get(said.id, (None, None, None))
        if owner is not None:
            owner.gone = True
        if turn is not None:
            turn.said.put_nowait(Unavailable(what="database: nobody waits for this turn any more"))

    def _became(self, said: guest_says.Became) -> None:
        session = cast(Session, self._session)
        for id in said.ids:
            if id in session.ends:
                self.say(session.ends[id])
            elif id not in session.in_hand:  # else its verdict is told when it comes
                self.say(Told(id, End.NEVER))

    def _script(self, said: guest_says.Script) -> None:
        session = cast(Session, self._session)

        async def run() -> None:
            try:
                if self._leaving:
                    raise Unavailable(what="database: the store is leaving")
                await self._house.served.script(said.text)
            except Exception as error:
                session.end(ended(said.id, error, script=True))
            else:
                session.end(Told(said.id, End.DONE))

        self._house.run(run())

    def _call(self, said: guest_says.Call) -> None:
        async def run() -> None:
            try:
                value = await called(self._house.shared, self._house.instance, self._listening, said)
            except Exception as error:
                told = ended(said.id, error)
                returned = owner_says.Returned(said.id, None, told.end, told.text)
            else:
                returned = owner_says.Returned(said.id, value)
            if said.id:
                self.say(returned)

        self._house.run(run())
