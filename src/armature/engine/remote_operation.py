"""An operation that lives in another process, as edges and neighbours see it: called like one that lives here.

Permissions are looked at here, so that nothing is sent in vain, and again where the operation lives. Limits, keys and positions
are that side's alone. The arguments were decoded and judged here; that side judges them again.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any
from uuid import uuid4

import msgspec

from armature.engine.arguments import Arguments
from armature.engine.call import Call, Sources
from armature.engine.deadlines import Deadlines, ended
from armature.engine.permission import authorise
from armature.engine.pipeline import Answer
from armature.engine.policies import Policies
from armature.engine.remote_message import Ask, Forged, Repeated, Seal, Told
from armature.engine.remote_way import Errand, Way
from armature.kernel.failure import Failure
from armature.kernel.operation import Operation
from armature.kernel.refusals import PlatformRefusal, Unavailable, UnknownOutcome
from armature.ports.limiter import Rate

__all__ = ["Afar", "RemoteOperation"]

log = logging.getLogger("armature.links")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.decode


class Afar(msgspec.Struct, frozen=True):
    """What all remote operations of a process share. `position` writes an outbox id of this process's own log."""

    seal: Seal
    policies: Policies
    sources: Sources
    deadlines: Deadlines
    position: Callable[[int], str] | None


class RemoteOperation:
    """One operation of a module that another process hosts."""

    rate: Rate | None = None

    def __init__(self, operation: Operation, way: Way, afar: Afar) -> None:
        declared = operation.declared
        self.operation = operation
        self.arguments = Arguments(operation)
        self.is_query = declared.kind == "query"
        section = afar.policies.queries if self.is_query else afar.policies.commands
        self.deadline_seconds = declared.deadline_seconds or section.deadline_seconds
        self._afar = afar
        self._way = way
        self._name = operation.full_name
        self._permission = declared.permission
        self._keyed = not self.is_query and declared.idempotency != "none" and not declared.public
        self._result: Callable[[bytes], Any] = msgspec.json.Decoder(operation.result or Any).decode
        known = (*declared.refuses, *_platform(PlatformRefusal))
        self._refusals: dict[str, type[Failure]] = {one.code: one for one in reversed(known)}

    def new_call(self, tenant: str, identity: Any, request_id: str, deadline_seconds: float | None = None) -> Call:
        """Return a context for a call of this operation that begins now."""
        seconds = self.deadline_seconds if deadline_seconds is None else deadline_seconds
        call = Call(self._afar.sources, tenant, identity, request_id, time.monotonic() + seconds)
        call.operation = self._name
        return call

    def authorise(self, call: Call) -> None:
        """Refuse a caller who is unknown or may not."""
        authorise(self._permission, call)

    async def limit(self, call: Call) -> None:
        """Nothing: calls are counted where the operation lives."""

    async def result(self, call: Call, arguments: dict[str, Any], within: Call) -> Any:
        """Ask the other process for a module of this one; return the result."""
        return (await self.run(call, arguments, "local", ())).result

    async def run(self, call: Call, arguments: dict[str, Any], edge: str, sent: Iterable[bytes]) -> Answer:
        """Ask the other process; its refusals are raised as they were there."""
        asked = self.ask(call, arguments, edge, sent)
        errand = Errand(lambda seconds: self.sealed(asked, seconds), call.deadline, self.is_query, asked.key is not None)
        told = self._opened(await self._asked(call, errand), asked, self.is_query)
        return Answer(self._read(told), told.body, told.position, told.replayed)

    def ask(
        self, call: Call, arguments: dict[str, Any], edge: str = "local", sent: Iterable[bytes] = (), look: int | None = None
    ) -> Ask:
        """Return what is sent; `seconds` are set when it is."""
        values = _encode(self.operation.arguments(**arguments))
        key = call.key
        if key is None and self._keyed and edge == "local":
            # A call of a module gets a key of its own: a second time is answered with what the first came to, so a retry is safe.
            # A caller from outside has his own, or retries himself.
            key, sent = f"link-{uuid4()}", (values,)
        identity = call.identity
        # What every call has is given by its place: by name it costs a microsecond more.
        return Ask(
            self._name,
            call.tenant,
            identity.actor,
            _in_order(identity.permissions),
            0.0,
            call.request_id,
            call.correlation_id,
            msgspec.Raw(values),
            edge=edge,
            sent=list(sent),
            key=key,
            if_match=call.if_match,
            after=self._after(call),
            trace=call.trace,
            address=call.address,
            look=look,
            by_itself=identity.by_itself,
            asking=call.asking,
            advises=call.advises,
        )

    def sealed(self, asked: Ask, seconds: float) -> bytes:
        """Return the message, with the seconds that are left."""
        asked.seconds = seconds
        return self._afar.seal.ask(asked, self._way.module)

    async def looked(self, asked: Ask, deadline: float) -> Told:
        """Ask what changes nothing; refusals are raised as they were there."""
        errand = Errand(lambda seconds: self.sealed(asked, seconds), deadline, reads=True, keyed=False)
        return self._opened(await self._way.ask(errand), asked, True)

    def _opened(self, sealed: bytes, asked: Ask, reads: bool) -> Told:
        try:
            told = self._afar.seal.told(sealed, asked)
        except Forged as forged:
            raise self._in_doubt(forged, reads) from None
        if told.code:
            refusal = self._refusal(told)
            raise self._in_doubt(refusal, reads) if isinstance(refusal, Repeated) else refusal
        return told

    def _in_doubt(self, forged: Forged, reads: bool) -> PlatformRefusal:
        """Return what a caller is told whose answer cannot be believed, or whose message somebody else brought first."""
        log.warning("%s: an answer is of no use: %s: %s", self._name, forged.code, forged)
        return Unavailable(what=forged.what) if reads else UnknownOutcome()

    def _read(self, told: Told) -> Any:
        try:
            return self._result(told.body)
        except msgspec.ValidationError as error:
            if not self.is_query:
                raise UnknownOutcome from error
            raise Unavailable(what=f"{self._name}, whose answer is of another release: {error}") from None

    async def _asked(self, call: Call, errand: Errand) -> bytes:
        deadlines = self._afar.deadlines
        # A command may be at work over there: its verdict is waited for, whoever leaves here.
        call.phase = "run" if self.is_query else "commit"
        call.in_hand = True
        deadlines.enter(call)
        try:
            return await self._way.ask(errand)
        except asyncio.CancelledError:
            if call.phase == "expired":
                raise ended(call) from None
            raise
        finally:
            deadlines.leave(call)

    def _after(self, call: Call) -> str | None:
        after = call.after_id
        if isinstance(after, int):
            return self._afar.position(after) if self._afar.position is not None else None
        return after

    def _refusal(self, told: Told) -> Failure:
        kind = self._refusals.get(told.code)
        if kind is None:
            # A newer neighbour may refuse for reasons that this release has not heard of; its caller may have.
            kind = self._refusals[told.code] = type("Foreign", (Failure,), {"__doc__": "The operation was refused."})
            kind.code, kind.kind = told.code, told.kind
        values = _decode(told.values)
        try:
            failure = kind.restore({name: values[name] for name in kind.fields if name in values})
        except (TypeError, msgspec.ValidationError) as error:
            raise Unavailable(what=f"{self._name}, whose refusal {told.code} is of another release: {error}") from None
        failure.replayed = told.replayed
        return failure


@lru_cache(1_024)
def _in_order(permissions: frozenset[str]) -> list[str]:
    """Return permissions as they travel; the same few sets come again and again."""
    return sorted(permissions)


def _platform(base: type[Failure]) -> Iterable[type[Failure]]:
    for one in base.__subclasses__():
        yield from _platform(one)
        if one.code != base.code:  # what shares a code is told apart in one process only
            yield one
