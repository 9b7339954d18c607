"""The outside world of a test: programmed answers, and a list of what was asked.

    world = OutboundFake()
    world.on("GET", "https://rates.example.com/v1/*").answers(json={"EUR": 1.08})
    world.on("POST", "https://pay.example.com/charges").refuses("deadline").answers(201)

Answers of one line are given in turn, the last one again and again. The line programmed last wins, so that a test can
override what a fixture said. A call that nothing was programmed for fails the test and lists what was. Retries and breakers
are not played here: an answer is what `send` ends with.
"""

import time
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Self

import msgspec
from msgspec import Struct

from armature.engine.outbound import check_request
from armature.engine.policies import OutboundPolicy
from armature.engine.ssrf import AddressRefused, canonical_host
from armature.ports.http import HttpRequest, HttpResponse, OutboundContext, OutboundRefused, RefusalReason

__all__ = ["HeardCall", "Line", "OutboundCall", "OutboundFake", "UnprogrammedCall"]


class UnprogrammedCall(AssertionError):
    """Something was asked that the test did not expect."""


class OutboundCall(Struct, frozen=True):
    """The smallest context an outbound call can have: for tests and for roles that have no context of their own."""

    deadline: float
    trace: str | None = None
    deciding: bool = False


class HeardCall(Struct, frozen=True):
    """What was sent: the request, and its headers as they would have gone over the wire (names in lower case)."""

    request: HttpRequest
    headers: dict[str, str]


class _Refusal(Struct, frozen=True):
    reason: RefusalReason
    retry_after: float | None


class Line:
    """One line of the program: a method, a pattern, and the answers in turn."""

    def __init__(self, method: str, pattern: str) -> None:
        self.method = method
        self.pattern = pattern
        self._answers: list[HttpResponse | _Refusal] = []
        self._given = 0

    def answers(
        self, status: int = 200, *, json: Any = None, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Self:
        """Add an answer; `json` is encoded and announced as such."""
        named = {name.lower(): value for name, value in (headers or {}).items()}
        if json is not None:
            named.setdefault("content-type", "application/json")
            body = msgspec.json.encode(json)
        self._answers.append(HttpResponse(status=status, headers=tuple(named.items()), body=body))
        return self

    def refuses(self, reason: RefusalReason, *, retry_after: float | None = None) -> Self:
        """Add a refusal, as if the host were slow, gone or not to be called."""
        self._answers.append(_Refusal(reason, retry_after))
        return self

    def fits(self, request: HttpRequest) -> bool:
        """Whether this line is about that request; `*` in the pattern is any text."""
        return self.method in ("*", request.method) and fnmatchcase(request.url, self.pattern)

    def take(self) -> HttpResponse | _Refusal:
        """The next answer, or the last one again."""
        if not self._answers:
            raise UnprogrammedCall(f"{self} has no answer; add .answers(...) or .refuses(...) to it")
        self._given += 1
        return self._answers[min(self._given, len(self._answers)) - 1]

    def __str__(self) -> str:
        return f"{self.method} {self.pattern}"


class OutboundFake:
    """Port `http` without a network. `calls` is what was asked, in order."""

    def __init__(self, policy: OutboundPolicy | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy or OutboundPolicy()
        self._clock = clock
        self._lines: list[Line] = []
        self.calls: list[HeardCall] = []

    def on(self, method: str, pattern: str) -> Line:
        """Begin a line of the program; the pattern is the whole URL, with `*` for any text and no other wildcard."""
        line = Line(method, pattern.replace("[", "[[]").replace("?", "[?]"))
        self._lines.append(line)
        return line

    async def send(self, call: OutboundContext, request: HttpRequest) -> HttpResponse:
        """Give the programmed answer, under the same laws as a real client."""
        headers = check_request(call, request)
        host = _host(request.url)
        if call.deadline <= self._clock():
            raise OutboundRefused("deadline", host, detail="it had passed before the call")
        line = next((line for line in reversed(self._lines) if line.fits(request)), None)
        if line is None:
            raise UnprogrammedCall(self._unknown(request))
        self.calls.append(HeardCall(request, {name.lower(): value for name, value in headers}))
        answer = line.take()
        if isinstance(answer, _Refusal):
            raise OutboundRefused(answer.reason, host, detail="programmed", retry_after=answer.retry_after)
        if len(answer.body) > self._policy.body_bytes_max:
            detail = f"the answer has {len(answer.body)} bytes; at most {self._policy.body_bytes_max} are read"
            raise OutboundRefused("too_large", host, detail=detail)
        return answer

    async def close(self) -> None:
        """Nothing to give back."""

    def _unknown(self, request: HttpRequest) -> str:
        programmed = "".join(f"\n  {_plain(line)}" for line in self._lines) or "\n  nothing"
        return f"no answer is programmed for {request.method} {request.url}; programmed is:{programmed}"


def _plain(line: Line) -> str:
    return str(line).replace("[[]", "[").replace("[?]", "?")


def _host(url: str) -> str:
    authority = url.partition("://")[2].partition("/")[0]
    try:
        return canonical_host(authority.partition(":")[0])
    except AddressRefused:
        return authority
