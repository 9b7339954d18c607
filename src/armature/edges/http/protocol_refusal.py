"""What the server says to bytes that never become a request.

These answers are written before an application exists to write them, so they carry everything a caller of the API would
find in any other problem: a status, a stable code and a sentence that names the cure. After each of them the connection
closes: once framing is in doubt, the next byte may belong to somebody else's request.
"""

from datetime import UTC, datetime
from http import HTTPStatus

import msgspec

from armature.kernel.failure import Kind

__all__ = ["Refusal", "Refused", "malformed", "render_problem"]

KINDS = {
    HTTPStatus.REQUEST_TIMEOUT: Kind.TIMEOUT,
    HTTPStatus.SERVICE_UNAVAILABLE: Kind.UNAVAILABLE,
    HTTPStatus.INTERNAL_SERVER_ERROR: Kind.BUG,
}

# RFC 9110's words; the standard library's differ between Python versions.
TITLES = {413: "Content Too Large", 414: "URI Too Long"}
RETRY_AFTER_SECONDS = 1


class Refusal(msgspec.Struct, frozen=True):
    """One reason to turn bytes away: the status, the code that clients may branch on, and what to do about it."""

    status: int
    code: str
    detail: str


class Refused(Exception):
    """Carries a refusal out of a scanner to the connection that has to send it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def malformed(reason: str, detail: str) -> Refusal:
    """A 400 with code `http:<reason>`."""
    return Refusal(400, f"http:{reason}", detail)


def render_problem(refusal: Refusal, date: bytes) -> bytes:
    """The whole response, head and body; `date` is a ready `date: …` line or empty."""
    status = HTTPStatus(refusal.status)
    title = TITLES.get(refusal.status, status.phrase)
    body = msgspec.json.encode(
        {
            "type": f"urn:problem:{refusal.code}",
            "title": title,
            "status": refusal.status,
            "detail": refusal.detail,
            "code": refusal.code,
            "kind": KINDS.get(status, Kind.MALFORMED).value,
            "timestamp": datetime.now(UTC),
        }
    )
    retry = b"retry-after: %d\r\n" % RETRY_AFTER_SECONDS if status is HTTPStatus.SERVICE_UNAVAILABLE else b""
    return (
        b"HTTP/1.1 %d %s\r\n" % (refusal.status, title.encode())
        + date
        + b"content-type: application/problem+json\r\ncontent-length: %d\r\n" % len(body)
        + retry
        + b"connection: close\r\n\r\n"
        + body
    )
