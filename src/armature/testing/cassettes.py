"""Answers of a real service, recorded once and replayed in every test after.

A fake says what its author believes of a service; a cassette says what the service said. Record it by hand against the real
thing, commit the file, replay it in tests. Request headers are never written (they carry credentials) and `secrets` are struck
out of everything else, before writing and before comparing.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from armature.engine.outbound import check_request
from armature.ports.http import Http, HttpRequest, HttpResponse, OutboundContext, OutboundRefused, RefusalReason
from armature.testing.outbound import UnprogrammedCall

__all__ = ["RecordingHttp", "ReplayHttp"]

_STRUCK = "***"
# What would only be noise in a diff, or a session that is none of the file's business.
_UNRECORDED = frozenset({"set-cookie", "date", "age", "connection", "keep-alive", "transfer-encoding", "content-length"})


class _Body(Struct, frozen=True, omit_defaults=True):
    """Text where it is text, so that a reviewer can read the file; else base64."""

    text: str | None = None
    base64: bytes | None = None


class _Asked(Struct, frozen=True):
    method: str
    url: str
    body: _Body


class _Answered(Struct, frozen=True):
    status: int
    headers: list[tuple[str, str]]
    body: _Body


class _Refused(Struct, frozen=True):
    reason: RefusalReason
    retry_after: float | None = None


class _Entry(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    asked: _Asked
    answered: _Answered | None = None
    refused: _Refused | None = None


class RecordingHttp:
    """Passes every call to `inner` and writes the cassette when it is closed."""

    def __init__(self, inner: Http, path: Path, *, secrets: Sequence[str] = ()) -> None:
        self._inner = inner
        self._path = path
        self._secrets = secrets
        self._entries: list[_Entry] = []

    async def send(self, call: OutboundContext, request: HttpRequest) -> HttpResponse:
        """Ask the real service and remember how it ended."""
        asked = _asked(request, self._secrets)
        try:
            response = await self._inner.send(call, request)
        except OutboundRefused as refused:
            self._entries.append(_Entry(asked, refused=_Refused(refused.reason, refused.retry_after)))
            raise
        kept = [(name, _strike(value, self._secrets)) for name, value in response.headers if name not in _UNRECORDED]
        self._entries.append(_Entry(asked, answered=_Answered(response.status, kept, _body(response.body, self._secrets))))
        return response

    async def close(self) -> None:
        """Write the file, readable and in the order of the calls; then close the real client."""
        text = msgspec.json.format(msgspec.json.encode(self._entries), indent=2) + b"\n"
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(text)
        await self._inner.close()


class ReplayHttp:
    """Answers from a cassette: equal requests get the recorded answers in their order, and no more of them."""

    def __init__(self, path: Path, *, secrets: Sequence[str] = ()) -> None:
        self._path = path
        self._secrets = secrets
        self._left: dict[_Asked, deque[_Entry]] = defaultdict(deque)
        for entry in _read(path):
            self._left[entry.asked].append(entry)

    async def send(self, call: OutboundContext, request: HttpRequest) -> HttpResponse:
        """The next recorded answer to exactly this method, URL and body."""
        check_request(call, request)
        left = self._left.get(_asked(request, self._secrets))
        if not left:
            raise UnprogrammedCall(self._unknown(request))
        entry = left.popleft()
        if entry.refused is not None:
            raise OutboundRefused(entry.refused.reason, "", detail="replayed", retry_after=entry.refused.retry_after)
        if entry.answered is None:
            raise UnprogrammedCall(f"{self._path}: {request.method} {request.url} has neither answer nor refusal")
        answered = entry.answered
        return HttpResponse(status=answered.status, headers=tuple(answered.headers), body=_bytes(answered.body))

    async def close(self) -> None:
        """Nothing to give back."""

    @property
    def unused(self) -> list[str]:
        """What was recorded and never asked for: the code under test has changed its questions."""
        return [f"{asked.method} {asked.url}" for asked, left in self._left.items() for _ in left]

    def _unknown(self, request: HttpRequest) -> str:
        unused = "".join(f"\n  {line}" for line in self.unused) or "\n  nothing"
        asked = f"{request.method} {request.url} with a body of {len(request.body)} bytes"
        return f"{self._path}: no answer is left for {asked}; left is:{unused}\nRecord it again with RecordingHttp."


def _read(path: Path) -> list[_Entry]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[_Entry])
    except FileNotFoundError:
        raise UnprogrammedCall(f"{path}: there is no such cassette; record it with RecordingHttp") from None
    except msgspec.DecodeError as error:
        raise UnprogrammedCall(f"{path}: not a cassette: {error}; record it again with RecordingHttp") from None


def _asked(request: HttpRequest, secrets: Sequence[str]) -> _Asked:
    return _Asked(request.method, _strike(request.url, secrets), _body(request.body, secrets))


def _body(body: bytes, secrets: Sequence[str]) -> _Body:
    for secret in secrets:
        body = body.replace(secret.encode(), _STRUCK.encode())
    try:
        return _Body(text=body.decode())
    except UnicodeDecodeError:
        return _Body(base64=body)


def _bytes(body: _Body) -> bytes:
    return body.text.encode() if body.text is not None else body.base64 or b""


def _strike(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, _STRUCK)
    return text
