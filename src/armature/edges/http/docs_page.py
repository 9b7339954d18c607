"""The document and the page that draws it, as ready bytes with an entity tag each.

Files of the page lie beside the code and are served from our own paths, so that it works without internet and its policy can
forbid everything else.
"""

import hashlib
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

import msgspec

from armature.edges.http.endpoint import Headers, Response, matches

__all__ = ["document_pages"]

Page = Callable[[Headers], Awaitable[Response]]

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES = {
    "/docs": ("docs.html", b"text/html; charset=utf-8"),
    "/docs/docs.css": ("docs.css", b"text/css; charset=utf-8"),
    "/docs/docs.js": ("docs.js", b"text/javascript; charset=utf-8"),
}


def document_pages(document: dict[str, Any]) -> dict[str, Page]:
    """Return the pages by path: `/openapi.json`, `/docs` and the files of the latter."""
    static = resources.files("armature.edges.http") / "static"
    pages = {path: _page((static / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}
    pages["/openapi.json"] = _page(msgspec.json.encode(document), b"application/json")
    return pages


def _page(body: bytes, kind: bytes) -> Page:
    etag = b'"' + hashlib.blake2b(body, digest_size=12).hexdigest().encode() + b'"'

    async def answer(sent: Headers) -> Response:
        # The list is new for each answer: what finishes an answer adds to it.
        headers = [(b"content-type", kind), (b"etag", etag)]
        if kind.startswith(b"text/html"):
            headers.append((b"content-security-policy", POLICY))
        seen = sent.get(b"if-none-match")
        if seen is not None and matches(seen, etag):
            return 304, headers, b""
        return 200, headers, body

    return answer
