"""One effect for one key: the answer is part of the commit, and whoever asks again reads it (laws 7).

Twins in one process wait for each other here; twins in two processes are told apart by the commit itself.
"""

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import blake2b
from secrets import token_bytes

import msgspec
from msgspec import Struct

from armature.engine.call import Call
from armature.engine.policies import IdempotencyPolicy
from armature.engine.remote_message import Repeated
from armature.kernel.failure import Failure
from armature.kernel.refusals import KeyInFlight, KeyReused
from armature.kernel.statement import select
from armature.kernel.work import UnitTooLarge
from armature.ports.database import KeyRow, Read

__all__ = ["STORED_ANSWER", "Claim", "Keys", "RefusedOutcome", "StoredAnswer", "refusal"]


class StoredAnswer(Struct, frozen=True):
    """What a key remembers."""

    fingerprint: bytes
    outcome: bytes
    refused: bool
    last_id: int | None


STORED_ANSWER = select(
    StoredAnswer,
    """
select fingerprint, outcome, refused, last_id
  from armature_keys
 where tenant_id = :tenant_id and scope = :scope and expires_at > :now
""",
)


class RefusedOutcome(Struct, frozen=True):
    """A final refusal as it is stored."""

    code: str
    values: dict[str, msgspec.Raw]


class Claim(Struct):
    """A key that a running command holds in this process."""

    tenant: str
    scope: bytes
    fingerprint: bytes
    asked_at: datetime
    expires_at: datetime
    keeps: bool = True
    """False for the mark of a message: it says that something was done, and not what came of it."""

    def row(self, outcome: bytes, *, refused: bool, limit: int) -> KeyRow:
        """Return the row that goes into the command's commit."""
        if not self.keeps:
            outcome = b""
        if len(outcome) > limit:
            raise UnitTooLarge(f"the answer has {len(outcome)} bytes, stored answers at most {limit}: return an id instead")
        return KeyRow(self.tenant, self.scope, self.fingerprint, outcome, refused, self.asked_at, self.expires_at)


class Keys:
    """The keys in flight in this process, and the look-up of those that are done."""

    def __init__(self, read: Read, policy: IdempotencyPolicy) -> None:
        self._read = read
        self._policy = policy
        self._running: dict[bytes, asyncio.Future[None] | None] = {}
        """Who holds a key, by its scope; with a future where a twin waits for it."""
        self._ttl = timedelta(seconds=policy.ttl_seconds)
        self.replays = 0

    @property
    def answer_bytes_max(self) -> int:
        """The largest outcome that is stored."""
        return self._policy.answer_bytes_max

    def claim(self, call: Call, edge: str, sent: Iterable[bytes]) -> Claim:
        """Name the key's scope and what was sent with it. `sent` is the arguments as they came over the wire."""
        tenant = call.tenant
        words = f"{tenant}\0{call.identity.actor}\0{call.operation}\0{edge}\0{call.key}"
        scope = blake2b(words.encode(), digest_size=16).digest()
        content = blake2b(b"\0".join(sent), digest_size=16).digest()
        # However short answers are kept: not shorter than the message may come again.
        ttl = self._ttl if call.again is None else max(self._ttl, timedelta(seconds=call.again[1]))
        now = call.now
        return Claim(tenant, scope, content, now, now + ttl)

    def mark(self, call: Call) -> Claim | None:
        """Name what a command without a key leaves in its commit, so that its message can do nothing a second time."""
        if call.again is None:
            return None
        message, seconds = call.again
        scope = blake2b(b"message\0" + message, digest_size=16).digest()
        # By its print a run knows its own mark, should it be in doubt whether its commit came through.
        return Claim(call.tenant, scope, token_bytes(16), call.now, call.now + timedelta(seconds=seconds), keeps=False)

    async def enter(self, claim: Claim, call: Call) -> StoredAnswer | None:
        """Hold the key in this process, having waited for a twin; return the answer the twin left, None: go ahead and `leave`.

        Nothing is looked up for a caller who finds the key free: the commit itself finds an answer that is there already, and
        a key that is asked for twice is much rarer than one that is new.
        """
        waited = False
        while claim.scope in self._running:
            waited = True
            twin = self._running[claim.scope]
            if twin is None:
                twin = self._running[claim.scope] = asyncio.get_running_loop().create_future()
            # Not to the very end: what is told then would come too late.
            left = (call.deadline - time.monotonic()) * 0.9
            done, _ = await asyncio.wait((twin,), timeout=max(0.0, left))
            if not done:
                raise KeyInFlight(retry_after_seconds=self._policy.retry_after_seconds)
        if waited:
            stored = await self.stored(claim, call)
            if stored is not None:
                return stored
            if claim.scope in self._running:  # a third one was faster while we looked
                return await self.enter(claim, call)
        self._running[claim.scope] = None
        return None

    def leave(self, claim: Claim) -> None:
        """Let twins go on."""
        twins = self._running.pop(claim.scope)
        if twins is not None:
            twins.set_result(None)

    async def stored(self, claim: Claim, call: Call) -> StoredAnswer | None:
        """Look the key up on the primary; the same key with other content is refused."""
        values = (claim.tenant, claim.scope, call.now)
        rows = (await self._read(((STORED_ANSWER, values),)))[0]
        if not rows:
            return None
        stored: StoredAnswer = rows[0]
        if stored.fingerprint != claim.fingerprint:
            raise KeyReused if claim.keeps else Repeated(what="it was done before, by another process of the group")
        self.replays += 1
        return stored


def refusal(failure: Failure) -> bytes:
    """Return the stored form of a final refusal."""
    return msgspec.json.encode({"code": failure.code, "values": failure.values()})
