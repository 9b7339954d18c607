"""The path of every call, written once: authorise, limit, replay, run, commit, answer.

Compiled per operation at start: what can be looked up is looked up then. The edges decode before it and encode after it; a
neighbour in the same process enters it with values. The order of the stages is `STAGES`, and `armature plan` prints it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

import msgspec
from msgspec import Struct

from armature.engine.arguments import Arguments
from armature.engine.call import Call
from armature.engine.deadlines import ended
from armature.engine.idempotency import Claim, RefusedOutcome, StoredAnswer, refusal
from armature.engine.permission import authorise
from armature.engine.pipeline_ends import AskedInTurn, UndeclaredFailure, without_answer
from armature.engine.pipeline_parts import Parts
from armature.engine.work import ENDED, UnitOfWork, Workshop
from armature.kernel.failure import Failure, FieldError
from armature.kernel.operation import Operation
from armature.kernel.refusals import (
    DeadlineExceeded,
    Invalid,
    KeyMissing,
    PlatformRefusal,
    PreconditionFailed,
    RateLimited,
    Unavailable,
    UnknownOutcome,
)
from armature.kernel.work import WorkMisuse
from armature.ports.database import Committed, Conflict, Expired, Read, Row, Twin, Unit, Violated
from armature.ports.http import OutboundRefused
from armature.ports.limiter import Rate

__all__ = ["STAGES", "Answer", "OperationPipeline"]

_TWIN_SECONDS = 0.5
"""How long a refusal that comes at the deadline or after it may wait for a last look at its key."""

STAGES = (
    "decode",
    "validate",
    "authenticate",
    "authorise",
    "limit",
    "overload",
    "deadline",
    "idempotency",
    "run",
    "commit",
    "encode",
)

encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class Answer(Struct, gc=False):
    """What a call came to; `result` is None when it was replayed."""

    result: Any
    encoded: bytes | None = None
    """Its canonical JSON, as far as anybody needed it."""
    last_id: int | str | None = None
    """The outbox id of the last event; from another process the text that stands for it."""
    replayed: bool = False

    @property
    def body(self) -> bytes:
        """The canonical JSON of the result. Of a query it is made for whoever sends it: over gRPC, and for a 304, nobody does."""
        encoded = self.encoded
        if encoded is None:
            encoded = self.encoded = encode(self.result)
        return encoded


class OperationPipeline:
    """One operation, ready to be called."""

    def __init__(
        self,
        operation: Operation,
        method: Callable[..., Awaitable[Any]],
        workshop: Workshop,
        parts: Parts,
        constraints: dict[str, type[Failure]],
    ) -> None:
        declared = operation.declared
        self.operation = operation
        self.arguments = Arguments(operation)
        self._method = method
        self._shop = workshop
        self._parts = parts
        self._constraints = constraints
        self._name = operation.full_name
        self._permission = declared.permission
        self._refuses = {failure.code: failure for failure in declared.refuses}
        self._refused: tuple[type[Failure], ...] = (*declared.refuses, PlatformRefusal)
        self._etag = declared.etag
        limit = parts.policies.limits.operations.get(self._name) or declared.limit or parts.policies.limits.default
        self.rate = Rate.parse(limit) if limit else None
        self._limit_text = limit or ""
        is_query = declared.kind == "query"
        self.is_query = is_query
        cached = parts.caches.query(operation) if parts.caches is not None else None
        self._cached = cached
        self._ask = self._query if cached is None else self._cached_query
        section = parts.policies.queries if is_query else parts.policies.commands
        self.deadline_seconds = declared.deadline_seconds or section.deadline_seconds
        self._reruns_max = parts.policies.commands.reruns_max
        self._after_commit = parts.after_commit
        self._keyed = not is_query and declared.idempotency != "none" and not declared.public
        self._key_required = declared.idempotency == "required"

    def new_call(self, tenant: str, identity: Any, request_id: str, deadline_seconds: float | None = None) -> Call:
        """Return a context for a call of this operation that begins now."""
        seconds = self.deadline_seconds if deadline_seconds is None else deadline_seconds
        call = Call(self._parts.sources, tenant, identity, request_id, time.monotonic() + seconds)
        call.operation = self._name
        return call

    def authorise(self, call: Call) -> None:
        """Refuse a caller who is unknown or may not. Without a permission the operation is public."""
        authorise(self._permission, call)

    async def limit(self, call: Call) -> None:
        """Refuse a caller who calls too often."""
        if self.rate is not None:
            wait = await self._parts.limiter.check(f"{self._name}\0{call.tenant}\0{call.actor or call.address}", self.rate)
            if wait > 0:
                self._parts.limited(self._name)
                raise RateLimited(rate=self._limit_text, retry_after_seconds=wait)

    async def run(self, call: Call, arguments: dict[str, Any], edge: str, sent: Iterable[bytes]) -> Answer:
        """Run the operation and return its answer; every failure leaves as a Failure, every bug as it is."""
        deadlines = self._parts.deadlines
        deadlines.enter(call)
        try:
            if self.is_query:
                return await self._ask(call, arguments)
            return await self._command(call, arguments, edge, sent)
        except asyncio.CancelledError:
            if call.phase == "expired":
                raise ended(call) from None
            raise
        except Failure as failure:
            if not isinstance(failure, self._refused):
                raise self._undeclared(failure) from failure
            raise
        except OutboundRefused as refused:
            raise without_answer(refused) from refused
        finally:
            deadlines.leave(call)
            call.work = ENDED

    async def result(self, call: Call, arguments: dict[str, Any], within: Call) -> Any:
        """Run the operation for a module in this process, as part of another call; return its result.

        Nobody needs its JSON, and a query that may take as long as the call around it is ended together with that.
        """
        if not self.is_query or self._cached is not None or call.deadline < within.deadline:
            return (await self.run(call, arguments, "local", ())).result
        call.work = UnitOfWork(self._shop, call, may_plan=False, scope=self.operation.declared.scope)
        try:
            return await self._method(call, **arguments)
        except Failure as failure:
            if not isinstance(failure, self._refused):
                raise self._undeclared(failure) from failure
            raise
        except OutboundRefused as refused:
            raise without_answer(refused) from refused
        finally:
            call.work = ENDED

    def _undeclared(self, failure: Failure) -> "UndeclaredFailure":
        return UndeclaredFailure(f"{self._name} refused with {failure.code}, which its contract does not list")

    async def _query(self, call: Call, arguments: dict[str, Any]) -> Answer:
        if call.if_match is not None:
            raise Invalid(errors=[FieldError("If-Match", "a query has nothing to compare it with; use If-None-Match")])
        call.work = UnitOfWork(self._shop, call, may_plan=False, scope=self.operation.declared.scope)
        result = await self._method(call, **arguments)
        return Answer(result)

    async def _cached_query(self, call: Call, arguments: dict[str, Any]) -> Answer:
        cached = self._cached
        # Who waits for its own write, and who decides, is answered from the tables.
        if cached is None or call.after_id is not None or call.advises or call.if_match is not None:
            return await self._query(call, arguments)

        async def run() -> tuple[Any, bytes]:
            answer = await self._query(call, arguments)
            return answer.result, answer.body

        return Answer(*await cached.answer(call.tenant, arguments, run))

    async def _command(self, call: Call, arguments: dict[str, Any], edge: str, sent: Iterable[bytes]) -> Answer:
        if call.key is None:
            if self._key_required:
                raise KeyMissing
            return await self._decide(call, arguments, self._parts.keys.mark(call))
        if not self._keyed:
            raise Invalid(errors=[FieldError("Idempotency-Key", "this operation takes none")])
        keys = self._parts.keys
        claim = keys.claim(call, edge, sent)
        stored = await keys.enter(claim, call)
        if stored is not None:
            return self._replay(stored)
        try:
            return await self._decide(call, arguments, claim)
        except Failure as failure:
            # A twin in another process may have been committed meanwhile; its answer wins over any refusal (laws 7).
            twin = await self._twin(claim, call, failure)
            if twin is not None:
                return self._replay(twin)
            if type(failure).final and (first := await self._commit_refusal(call, claim, failure)) is not None:
                return self._replay(first)
            raise
        finally:
            keys.leave(claim)

    async def _twin(self, claim: Claim, call: Call, failure: Failure) -> StoredAnswer | None:
        """Look the key up before a refusal is told, a moment after the deadline at the latest. Where that fails, an unknown
        outcome must not become a certain one."""
        try:
            async with asyncio.timeout(max(call.deadline - time.monotonic(), _TWIN_SECONDS)):
                return await self._parts.keys.stored(claim, call)
        except (Unavailable, TimeoutError) as error:
            if isinstance(failure, Unavailable | UnknownOutcome):
                raise failure from None
            if isinstance(error, Unavailable):
                raise
            raise Unavailable(what="database: the server does not answer") from None

    async def _decide(self, call: Call, arguments: dict[str, Any], claim: Claim | None) -> Answer:
        """Run, hand over, and run again for as long as the verdict is a conflict: in turn, where a row is contended."""
        hot = self._parts.hot
        if hot:
            rows = hot.wanted_by(self._caller(call, arguments))
            if rows is not None:
                # One that asks a neighbour cannot do so while it holds the row: it runs as if nothing were known.
                with suppress(AskedInTurn):
                    return await self._in_turn(call, arguments, claim, rows, self._reruns_max)
        left = self._reruns_max
        while True:
            answer, unit, work = await self._attempt(call, arguments, claim, None)
            if work.empty and (claim is None or not claim.keeps):
                return answer
            contended = hot and hot.any(work.rows)
            if not contended:
                verdict = await self._hand_over(call, self._parts.database.commit(unit))
                if not isinstance(verdict, Conflict):
                    return await self._settle(call, claim, answer, verdict)
                contended = self._lost(call, work, verdict) or left < self._reruns_max
                if contended and call.kept is None:
                    # Who asks a neighbour must do so before it holds the rows (laws 5), so its kind always runs twice.
                    hot.remember(self._caller(call, arguments), work.rows)
            self._parts.reruns(self._name)
            if contended or left < 2:
                return await self._in_turn(call, arguments, claim, work.rows, left)
            left -= 1

    def _caller(self, call: Call, arguments: dict[str, Any]) -> tuple[Any, ...]:
        return (self._name, call.tenant, *[arguments[name] for name in self.operation.path_fields])

    async def _in_turn(
        self, call: Call, arguments: dict[str, Any], claim: Claim | None, rows: Sequence[Row], left: int
    ) -> Answer:
        """Run while nobody else writes the rows, so many times at most."""
        made: list[tuple[Answer, UnitOfWork]] = []

        async def decide(read: Read) -> Unit:
            call.in_turn = True
            try:
                answer, unit, again = await self._attempt(call, arguments, claim, read)
            finally:
                call.in_turn = False
            made[:] = [(answer, again)]
            call.phase = "commit"
            return unit

        verdict: Any = None
        for run in range(left):
            if run:
                self._parts.reruns(self._name)
            verdict = await self._hand_over(call, self._parts.database.turn(rows, decide, call))
            if not isinstance(verdict, Conflict):
                return await self._settle(call, claim, made[0][0] if made else Answer(None, b""), verdict)
            rows = made[0][1].rows
            self._lost(call, made[0][1], verdict)
        if isinstance(verdict, Conflict):
            # Nobody else wrote these rows meanwhile, so no further run would end otherwise.
            raise WorkMisuse(
                f"the statement at {verdict.statement.home} found another number of rows than it declares, "
                f"{self._reruns_max} times under the rows' lock; look at its rows=, its where clause and the version it is given"
            )
        raise Unavailable(what="others changed what this command decided on, and commands.reruns_max allows no second run")

    async def _attempt(
        self, call: Call, arguments: dict[str, Any], claim: Claim | None, read: Read | None
    ) -> tuple[Answer, Unit, UnitOfWork]:
        call.phase = "decide"
        work = UnitOfWork(self._shop, call, may_plan=True, scope=self.operation.declared.scope, read=read)
        call.work = work
        result = await self._method(call, **arguments)
        if call.if_match is not None:
            self._compare(call, work)
        if self._shop.trace_calls and (tables := work.unguarded()):
            self._parts.advice(self._name, tables)
        if work.events and self._parts.room.full:
            raise self._parts.room.refusal()
        body = encode(result)
        key = claim.row(body, refused=False, limit=self._parts.keys.answer_bytes_max) if claim is not None else None
        return Answer(result, body), work.unit(key), work

    def _compare(self, call: Call, work: UnitOfWork) -> None:
        if self._etag is None or work.cas is None:
            raise Invalid(errors=[FieldError("If-Match", "this operation compares no version")])
        if call.if_match not in ("*", str(work.cas)):
            raise PreconditionFailed(current=f'"{work.cas}"')

    def _lost(self, call: Call, work: UnitOfWork, verdict: Conflict) -> bool:
        """Say whether to queue from now on; a caller who sent If-Match has lost for good, if it was about that row."""
        call.phase = "decide"
        if verdict.row is None:
            return True
        if call.if_match not in (None, "*") and work.rows and verdict.row == work.rows[0]:
            raise PreconditionFailed
        return self._parts.hot.lost(verdict.row)

    async def _hand_over(self, call: Call, verdict: Awaitable[Any]) -> Any:
        call.phase, call.in_hand = "commit", False
        span = self._parts.tracer.start("commit", call.trace)
        try:
            return await verdict
        finally:
            if span is not None:
                span.end()

    async def _settle(self, call: Call, claim: Claim | None, answer: Answer, verdict: Any) -> Answer:
        call.phase = "done"
        if isinstance(verdict, Committed):
            answer.last_id = verdict.last_id
            if verdict.last_id is not None:
                self._parts.told()
                if self._after_commit is not None:
                    await self._after_commit(cast(UnitOfWork, call.work).events)
            return answer
        if isinstance(verdict, Twin) and claim is not None:
            stored = await self._parts.keys.stored(claim, call)
            if stored is not None and not claim.keeps:  # our own mark: the commit had come through
                return Answer(answer.result, answer.encoded, stored.last_id)
            if stored is not None:
                return self._replay(stored)
            raise Unavailable(what="the answer of the first call with this key could not be read")
        if isinstance(verdict, Violated):
            failure = self._constraints.get(verdict.constraint)
            if failure is None:
                where = verdict.statement.home if verdict.statement else "?"
                raise UndeclaredFailure(
                    f"{where}: the unique index {verdict.constraint} refused the unit, and module.py maps it to no failure"
                )
            raise failure()
        if isinstance(verdict, Expired):
            raise DeadlineExceeded
        raise TypeError(f"unknown verdict {verdict!r}")

    async def _commit_refusal(self, call: Call, claim: Claim, failure: Failure) -> StoredAnswer | None:
        """Keep a final refusal for its key; return what a twin has kept there since it was looked up."""
        key = claim.row(refusal(failure), refused=True, limit=self._parts.keys.answer_bytes_max)
        verdict = await self._hand_over(call, self._parts.database.commit(Unit(self._shop.lane, call, key=key)))
        if isinstance(verdict, Expired):
            raise DeadlineExceeded  # a retry may decide anew, so what was not kept is not told
        return await self._parts.keys.stored(claim, call) if isinstance(verdict, Twin) else None

    def _replay(self, stored: StoredAnswer) -> Answer:
        if stored.refused:
            outcome = msgspec.json.decode(stored.outcome, type=RefusedOutcome)
            values = {name: msgspec.json.decode(raw) for name, raw in outcome.values.items()}
            failure = self._refuses[outcome.code].restore(values)
            failure.replayed = True
            raise failure
        return Answer(None, stored.outcome, stored.last_id, replayed=True)
