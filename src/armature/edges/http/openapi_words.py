"""What the OpenAPI document says about every operation alike: headers, security, and the rules of the platform."""

from typing import Any

__all__ = [
    "ABOUT",
    "CONDITION",
    "DEVELOPMENT",
    "HEADERS",
    "IDEMPOTENCY",
    "POSITION",
    "REQUEST_ID",
    "RESUME",
    "SECURITY",
    "VERSION",
]

ABOUT = """\
Bodies are JSON in UTF-8; unknown fields are refused, texts are trimmed, times are UTC, ids are UUIDs.

**Problems.** Every refusal is `application/problem+json` (RFC 9457) with a stable `code` of the form `domain:reason`. What is
wrong with the request's content is listed in `errors`, each with its path. Codes that begin with `http:` come from the layer
that reads the bytes (also with status 408, 414, 417, 431, 501 and 505), close the connection and have no `instance`.

**Retries.** Send an `Idempotency-Key` with a command and repeat it as often as needed: the first answer is given again, with
`Idempotent-Replayed: true`. Wait for `Retry-After` where it is given.

**Versions.** `ETag` is the version of what was returned. `If-Match` refuses a change of anything newer (412), `If-None-Match`
spares an unchanged body (304).

**Reading your own writes.** A command answers with `Armature-Position`; a query that sends it back waits a moment for read
models to have seen that change.
"""


def _header(name: str, text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": text, "schema": schema}


IDEMPOTENCY = _header(
    "Idempotency-Key",
    'Makes repeating safe: one key, one effect. `k1` and `"k1"` are one key.',
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": '^(?!""$)[!-~]([ -~]*[!-~])?$'},
)
VERSION = _header(
    "If-Match",
    'Change only this version: one strong entity tag, as `"7"`, or `*`.',
    {"type": "string", "pattern": r'^(\*|"[!#-+.-~-]+")$'},
)
CONDITION = _header("If-None-Match", "Answer 304 when this is still the newest version.", {"type": "string"})
POSITION = _header(
    "Armature-Position",
    "Wait until read models have seen this change: what a command answered with.",
    {"type": "string"},
)
RESUME = _header(
    "Last-Event-ID",
    "Begin after this event instead of now: the `id` of the last one that was received.",
    {"type": "string"},
)
REQUEST_ID = _header(
    "X-Request-ID",
    "Names the request in logs; one is made when none, or a malformed one, is sent.",
    {"type": "string"},
)

_WORD = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$"}
DEVELOPMENT = (
    _header("X-Tenant-ID", "Development only: the tenant; `public` without it.", _WORD),
    _header("X-Actor", "Development only: who calls. Absent: the developer, who may do everything; `none`: nobody.", _WORD),
    _header("X-Roles", "Development only: the caller's roles, separated by commas.", {"type": "string"}),
)

SECURITY: dict[bool, dict[str, Any]] = {
    True: {
        "actor": {
            "type": "apiKey",
            "in": "header",
            "name": "X-Actor",
            "description": "Development only: believed as it is, with the permissions of X-Roles. `none` is nobody (401).",
        }
    },
    False: {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token says who calls and for which tenant; roles give the permission named by `x-permission`.",
        }
    },
}
"""By whether the development headers are believed."""

_TEXT = {"type": "string"}
HEADERS: dict[str, Any] = {
    "Armature-Position": {"description": "Where the change stands in the log; opaque.", "schema": _TEXT},
    "ETag": {"description": "The version, a strong entity tag.", "schema": {"type": "string", "pattern": '^".+"$'}},
    "Idempotent-Replayed": {"description": "Present when the first call's answer is repeated.", "schema": {"const": "true"}},
    "Location": {"description": "Where the new thing lives.", "schema": {"type": "string", "format": "uri-reference"}},
    "Retry-After": {"description": "Seconds to wait, never too few.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "The scheme to authenticate with.", "schema": _TEXT},
    "X-Request-ID": {"description": "The request's name in logs.", "schema": _TEXT},
}
