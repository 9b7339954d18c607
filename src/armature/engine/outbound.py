"""The course of an outbound call: deadline, guard, breaker, retries. Whatever sends one request is handed in as a `Wire`.

Written once here, so that every adapter of port `http` keeps the same laws and has only bytes to move.
"""

import asyncio
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from armature.engine.breaker import Breaker, Permit, Verdict
from armature.engine.overload import Overloaded, OverloadGuard
from armature.engine.policies import OutboundPolicy
from armature.engine.retry_budget import RetryBudget
from armature.engine.ssrf import AddressRefused, Target, canonical_host, read_target
from armature.ports.http import HttpRequest, HttpResponse, OutboundContext, OutboundMisuse, OutboundRefused

__all__ = ["Outbound", "Rhythm", "Wire", "check_request", "read_allow_hosts"]

# Hosts come from users too (webhooks): the table of breakers is bounded, the host unused for longest leaves first.
_HOSTS_MAX = 2_000
# Calls to one host that run and wait at once. Without a bound, one slow host takes every connection there is, and the calls
# to healthy hosts run into their deadlines and speak against those.
_RUNNING_PER_HOST = 32
_WAITING_PER_HOST = 256
_BACKOFF_SECONDS = 0.1
_BACKOFF_SECONDS_MAX = 2.0
# A call that ran out of time speaks against the host only if it had given it this long, or half of what the policy grants:
# callers in a hurry open no breaker.
_PATIENCE_SECONDS = 1.0
_RETRY_STATUS = frozenset({502, 503, 504})
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect"}
    | {"accept-encoding", "traceparent"}
)
_VERDICTS: dict[str, Verdict] = {"unreachable": "bad", "protocol": "bad", "too_large": "good"}
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


class Wire(Protocol):
    """Sends one request once. Raises `OutboundRefused` (unreachable, protocol, too_large, address) and knows no deadline:
    it is cancelled."""

    async def attempt(self, target: Target, request: HttpRequest, headers: list[tuple[str, str]]) -> HttpResponse:
        """Send `request` with exactly these headers to an address of `target` that the guard admits."""
        ...


class Rhythm(Struct, frozen=True):
    """Where time and chance come from; tests bring their own."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


class _Errand(Struct, frozen=True):
    """One call on its way: the same for all its attempts."""

    target: Target
    request: HttpRequest
    headers: list[tuple[str, str]]
    until: float


class _Host:
    """What is remembered of one host."""

    __slots__ = ("breaker", "budget", "turns")

    def __init__(self, policy: OutboundPolicy, clock: Callable[[], float]) -> None:
        self.turns = OverloadGuard(running_max=_RUNNING_PER_HOST, waiting_max=_WAITING_PER_HOST, clock=clock)
        self.breaker = Breaker(policy)
        self.budget = RetryBudget(policy.retry_ratio_max)


class Outbound:
    """Brings requests to a `Wire` under the laws of port `http`."""

    def __init__(self, wire: Wire, policy: OutboundPolicy, rhythm: Rhythm | None = None) -> None:
        self._wire = wire
        self._policy = policy
        self._rhythm = rhythm or Rhythm()
        self._allow_hosts = read_allow_hosts(policy)
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    async def send(self, call: OutboundContext, request: HttpRequest) -> HttpResponse:
        """One call with all its attempts."""
        headers = check_request(call, request)
        try:
            target = read_target(request.url, self._allow_hosts)
        except AddressRefused as refused:
            raise OutboundRefused("address", refused.host, detail=refused.why) from None
        host = self._host(target.authority)
        now = self._rhythm.clock()
        seconds = min(call.deadline - now, self._policy.timeout_seconds)
        if seconds <= 0:
            raise OutboundRefused("deadline", target.authority, detail="it had passed before the call")
        host.budget.earn()
        headers.insert(0, ("Host", target.authority))
        outcome = await self._attempts(host, _Errand(target, request, headers, now + seconds))
        if isinstance(outcome, OutboundRefused):
            raise outcome
        return outcome

    async def _attempts(self, host: _Host, errand: _Errand) -> HttpResponse | OutboundRefused:
        outcome = await self._in_turn(host, errand)
        attempt = 1
        while attempt < self._policy.attempts_max and errand.request.repeatable and _worth_repeating(outcome):
            pause = self._pause(attempt, outcome)
            if self._rhythm.clock() + pause >= errand.until or not host.budget.spend():
                break
            await self._rhythm.sleep(pause)
            again = await self._in_turn(host, errand)
            if isinstance(again, OutboundRefused) and again.reason == "breaker_open":
                break  # what the host itself said tells the caller more
            outcome = again
            attempt += 1
        return outcome

    async def _in_turn(self, host: _Host, errand: _Errand) -> HttpResponse | OutboundRefused:
        try:
            if not host.turns.try_enter():
                await host.turns.wait(errand.until)
        except Overloaded as crowd:
            detail = "too many calls to this host are under way"
            return OutboundRefused("deadline", errand.target.authority, detail=detail, retry_after=crowd.retry_after)
        try:
            return await self._attempt(host, errand)
        finally:
            host.turns.leave()

    async def _attempt(self, host: _Host, errand: _Errand) -> HttpResponse | OutboundRefused:
        now = self._rhythm.clock()
        name, seconds = errand.target.authority, max(0.0, errand.until - now)
        permit = host.breaker.enter(now)
        if not isinstance(permit, Permit):
            detail = "it failed too often just now and is left alone for a while"
            return OutboundRefused("breaker_open", name, detail=detail, retry_after=permit.retry_after)
        verdict: Verdict = "none"
        try:
            async with asyncio.timeout(seconds):
                answer = await self._wire.attempt(errand.target, errand.request, errand.headers)
            verdict = "bad" if answer.status in _RETRY_STATUS else "good"
            return answer
        except OutboundRefused as refused:
            verdict = _VERDICTS.get(refused.reason, "none")
            return refused
        except TimeoutError:
            patient = seconds >= min(_PATIENCE_SECONDS, self._policy.timeout_seconds / 2)
            verdict = "bad" if patient else "none"
            return OutboundRefused("deadline", name, detail=f"no complete answer in {seconds:.3g} s")
        finally:
            # Also when the caller is cancelled: a probe's permit must come back.
            host.breaker.settle(permit, verdict, self._rhythm.clock())

    def _pause(self, attempt: int, outcome: HttpResponse | OutboundRefused) -> float:
        """Full jitter (AWS, 2015): any moment up to the exponential bound; never before the host asked to be left alone."""
        pause = self._rhythm.chance() * min(_BACKOFF_SECONDS_MAX, _BACKOFF_SECONDS * 2.0 ** (attempt - 1))
        asked = outcome.header("retry-after") if isinstance(outcome, HttpResponse) else None
        return max(pause, float(asked)) if asked is not None and asked.isascii() and asked.isdigit() else pause

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = _Host(self._policy, self._rhythm.clock)
            if len(self._hosts) > _HOSTS_MAX:
                self._hosts.popitem(last=False)
        else:
            self._hosts.move_to_end(name)
        return host


def read_allow_hosts(policy: OutboundPolicy) -> frozenset[str]:
    """The hosts of `outbound.allow_hosts` in the one spelling that targets use; a bad one is refused by name."""
    try:
        return frozenset(map(_listed_host, policy.allow_hosts))
    except AddressRefused as refused:
        raise ValueError(f"outbound.allow_hosts: {refused}; list host names or addresses, without scheme and port") from None


def _listed_host(text: str) -> str:
    return canonical_host(f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text)


def check_request(call: OutboundContext, request: HttpRequest) -> list[tuple[str, str]]:
    """Refuse what is a bug of the caller; return the headers to send, ours included (`Host` is the target's)."""
    if call.deciding:
        raise OutboundMisuse(
            f"{request.method} {request.url}: nothing is sent while a command decides, for it may run again. "
            "Plan a job and call from there (ctx.once keeps a re-run from calling twice), or ask in a query."
        )
    if not request.method or not _TOKEN.issuperset(request.method) or request.method != request.method.upper():
        raise OutboundMisuse(f"{request.method!r} is not a method; write it in capitals, as in 'GET'")
    if request.method in ("CONNECT", "TRACE"):
        raise OutboundMisuse(f"{request.method} is not a call: it opens a tunnel or echoes credentials")
    for name, value in request.headers.items():
        _check_header(name, value)
    headers = list(request.headers.items())
    if "user-agent" not in map(str.lower, request.headers):
        headers.append(("User-Agent", "armature"))
    headers.append(("Accept-Encoding", "identity"))
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        headers.append(("Content-Length", str(len(request.body))))
    if call.trace is not None:
        headers.append(("traceparent", call.trace))
    return headers


def _check_header(name: str, value: str) -> None:
    if not name or not _TOKEN.issuperset(name):
        raise OutboundMisuse(f"{name!r} is not a header name")
    if name.lower() in _OURS:
        raise OutboundMisuse(f"the header {name!r} is set by the platform; leave it out")
    if not (value.isascii() and (not value or value.isprintable())):
        raise OutboundMisuse(f"the value of header {name!r} holds characters beyond printable ASCII; encode it")


def _worth_repeating(outcome: HttpResponse | OutboundRefused) -> bool:
    if isinstance(outcome, OutboundRefused):
        return outcome.reason == "unreachable"
    return outcome.status in _RETRY_STATUS
