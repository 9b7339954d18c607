"""What came back, with the two questions a test asks: what does it say, and how was it refused?"""

from typing import Any

import msgspec
from msgspec import Struct

__all__ = ["Response"]


class Response(Struct, frozen=True):
    """An answer over HTTP. Names of headers are in lower case; of a header sent twice the values are joined by a comma."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body; a body that is no JSON fails the test and is shown."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise AssertionError(f"{self.status} without a JSON body ({error}): {self.body[:500]!r}") from None

    def problem(self) -> dict[str, Any]:
        """Return the refusal (RFC 9457: `code`, `kind`, `detail`, `errors` …); an answer that is none fails the test."""
        kind = self.headers.get("content-type", "nothing")
        if kind != "application/problem+json":
            raise AssertionError(f"expected a refusal, got {self.status} with {kind}: {self.body[:500]!r}")
        found: dict[str, Any] = self.json()
        return found

    @property
    def code(self) -> str:
        """The refusal's code, as `counter:not_found`."""
        return str(self.problem()["code"])

    @property
    def etag(self) -> str:
        """The entity tag with its quotes, ready to be sent as If-Match; empty when there is none."""
        return self.headers.get("etag", "")
