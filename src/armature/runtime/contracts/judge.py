"""What a change of a contract does to those who use it: every difference that breaks somebody, in a sentence with its cure.

Breaking is what a client, a listener or a neighbour that worked yesterday could notice tomorrow. What only adds is no business of
this file; docs/guides/contracts.md has the table, and tests/contracts a seeded change for each line of it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from armature.ports.limiter import Rate
from armature.runtime.contracts.comparing import Sides, differences
from armature.runtime.contracts.sealed import data_of

__all__ = ["Break", "broken_contract", "broken_event", "gone"]

_VERSION = "keep what was, or raise the contract's version (version=2 in its class line)"
_SCHEMA = "keep what was, or raise the event's schema and write an @upcast from the old one"
_NAME = "give the new thing a name of its own"

# A caller without a key is refused, or one with a key is no longer safe to repeat.
_KEYS = frozenset({("none", "required"), ("optional", "required"), ("optional", "none"), ("required", "none")})

Data = Mapping[str, Any]


class Break(Struct, frozen=True, order=True):
    """One thing that breaks somebody: in which document it was promised, what it is, and what to do instead."""

    file: str
    text: str
    cure: str


def gone(file: str, what: str) -> Break:
    """A whole document that the code has nothing for any more."""
    return Break(file, f"{what} is gone", "keep it; others still use it")


def broken_contract(file: str, before: Data, after: Data) -> list[Break]:
    """Compare two promises of one package."""
    texts = [*_operations(before, after), *_failures(before, after)]
    return [Break(file, text, _VERSION) for text in dict.fromkeys(texts)]


def broken_event(file: str, before: Data, after: Data) -> list[Break]:
    """Compare two schemas of one event: for those who listen, and for the old events that the log holds."""
    name = str(before["title"])
    found = []
    for key, what in (("x-stream", "the field that names its stream"), ("x-version", "the field with its version")):
        if before.get(key) != after.get(key):
            found.append(Break(file, f"{name}: {what} was {before.get(key)}, is now {after.get(key)}", _NAME))
    if after["x-schema"] < before["x-schema"]:
        text = f"{name}: its schema went back from {before['x-schema']} to {after['x-schema']}"
        return [*found, Break(file, text, "let it grow; the log holds newer events")]
    if after["x-schema"] > before["x-schema"]:
        return found
    types = before.get("$defs", {}), after.get("$defs", {})
    heard = differences(f"{name} field", data_of(before), data_of(after), Sides(*types, "given"))
    held = differences(f"{name} field", data_of(before), data_of(after), Sides(*types, "asked", strict=False))
    texts = [*(f"{one} (for listeners)" for one in heard), *(f"{one} (for what the log holds)" for one in held)]
    return [*found, *(Break(file, text, _SCHEMA) for text in texts)]


def _operations(before: Data, after: Data) -> Iterator[str]:
    contract = str(before["contract"]).rpartition(".")[0]
    for name, old in before["operations"].items():
        new = after["operations"].get(name)
        full = f"{contract}.{name}"
        if new is None:
            yield f"{full} is gone"
            continue
        yield from (f"{full}: {text}" for text in _declared(old, new))
        types = before["types"], after["types"]
        yield from differences(f"{full} argument", old["arguments"], new["arguments"], Sides(*types, "asked"))
        yield from differences(f"{full} result", old["result"], new["result"], Sides(*types, "given"))


def _declared(old: Data, new: Data) -> Iterator[str]:
    for key, what in (("kind", "it"), ("route", "its route"), ("status", "its status"), ("scope", "its scope")):
        if old[key] != new[key]:
            yield f"{what} was {old[key]}, is now {new[key]}"
    if new["permission"] is not None and old["permission"] != new["permission"]:
        yield f"it asks for {new['permission']}, it was {old['permission'] or 'public'}"
    if (old["idempotency"], new["idempotency"]) in _KEYS:
        yield f"an Idempotency-Key was {old['idempotency']}, is now {new['idempotency']}"
    if old["etag"] is not None and new["etag"] is None:
        yield "it has no ETag any more"
    if old["location"] is not None and old["location"] != new["location"]:
        yield f"its Location was {old['location']}, is now {new['location'] or 'absent'}"
    if _tighter(old["limit"], new["limit"]):
        yield f"its limit was {old['limit'] or 'none'}, is now {new['limit']}"
    if new["body_bytes_max"] < old["body_bytes_max"]:
        yield f"a body had up to {old['body_bytes_max']} bytes, now {new['body_bytes_max']}"
    yield from (f"refuses more: {text}" for text in new["rules"] if text not in old["rules"])
    yield from (f"no longer refuses with {code}" for code in old["refuses"] if code not in new["refuses"])
    yield from (f"no longer streams {name}" for name in old["events"] if name not in new["events"])


def _tighter(before: str | None, after: str | None) -> bool:
    if after is None:
        return False
    if before is None:
        return True
    old, new = Rate.parse(before), Rate.parse(after)
    # The count is what may come at once, the quotient what may come for long.
    return new.count < old.count or new.count / new.period_seconds < old.count / old.period_seconds


def _failures(before: Data, after: Data) -> Iterator[str]:
    for code, old in before["failures"].items():
        new = after["failures"].get(code)
        if new is None:
            continue  # each operation that refused with it says so
        for key in ("kind", "status"):
            if old[key] != new[key]:
                yield f"{code}: its {key} was {old[key]}, is now {new[key]}"
        types = before["types"], after["types"]
        yield from differences(f"{code} field", old["fields"], new["fields"], Sides(*types, "given"))
