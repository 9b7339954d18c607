"""A check that schemathesis does not have: what the schema allows is refused only for a reason that no schema can express."""

import json
import re
from typing import Any

import schemathesis

from armature.edges.http.openapi_words import VERSION

OPAQUE = {"cursor", "Armature-Position"}
"""Texts that we gave out and sign; no pattern says which."""

ENTITY_TAG = re.compile(VERSION["schema"]["pattern"])


@schemathesis.check
def refused_for_a_reason(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """Look behind every 422 that answers a valid request."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 422:
        return
    problem: dict[str, Any] = json.loads(response.content)
    if problem["code"] != "request:invalid":
        return
    for error in problem["errors"]:
        # Version 4.32 puts a bare 0 into If-Match in valid cases, whatever the pattern; that is its doing, and is looked up here.
        if error["path"] == "If-Match" and not ENTITY_TAG.search(str((case.headers or {}).get("If-Match", ""))):
            continue
        excused = error["path"] in OPAQUE or error["message"].startswith("cannot be sent together with ")
        assert excused, f"the schema allows what {error['path']!r} was refused for: {error['message']}"
