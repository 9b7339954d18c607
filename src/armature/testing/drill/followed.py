"""What follows the counters from one log to another: quotas. Each step of a counter moves its quota once, whoever was killed."""

import time
from collections.abc import Sequence
from typing import Any
from urllib.request import Request, urlopen
from uuid import UUID

import msgspec

from armature.testing.judges import Durable

__all__ = ["limit", "quotas_agree"]

_ALLOWED = 1_000_000_000
_SETTLE_SECONDS_MAX = 60.0
_STILL_SECONDS = 15.0
_LOOK_SECONDS = 0.1


def limit(port: int, counters: Sequence[str]) -> None:
    """Give counters a quota that is never used up."""
    for one in counters:
        until = time.monotonic() + _SETTLE_SECONDS_MAX
        while not _ask(port, "PUT", one, {"allowed": _ALLOWED}):
            if time.monotonic() > until:
                raise RuntimeError(f"the counter {one} was given no quota")
            time.sleep(_LOOK_SECONDS)


def quotas_agree(port: int, durable: Durable, counters: Sequence[str]) -> list[str]:
    """Wait until each quota is where its counter is; say which is the first that never came there, or took other steps."""
    for one in counters:
        value, version = durable.counters[UUID(one).hex]
        quota = _at_rest(port, one, value)
        steps = version - quota.get("since", 0)
        if quota.get("used") != value or quota["version"] != 1 + steps:
            return [f"the counter {one} came to {value} in {steps} steps, and its quota says {quota}"]
    return []


def _at_rest(port: int, counter: str, value: int) -> dict[str, Any]:
    """Return a quota that has come to a value, or one that has stood still for long."""
    quota, until = _ask(port, "GET", counter), time.monotonic() + _STILL_SECONDS
    while quota.get("used") != value and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        before, quota = quota, _ask(port, "GET", counter)
        if quota != before:
            until = time.monotonic() + _STILL_SECONDS
    return quota


def _ask(port: int, method: str, counter: str, body: object = None) -> dict[str, Any]:
    """Return a quota; nothing when that cannot be told now."""
    path = f"http://127.0.0.1:{port}/v1/quotas/{counter}"
    sent = None if body is None else msgspec.json.encode(body)
    try:
        with urlopen(Request(path, sent, {"content-type": "application/json"}, method=method), timeout=10) as answer:
            found: dict[str, Any] = msgspec.json.decode(answer.read())
            return found
    except OSError:
        return {}
