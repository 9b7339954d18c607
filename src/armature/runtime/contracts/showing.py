"""How a file differs from what would be written now, place by place, for a person who decides which of the two is right."""

import difflib
from collections.abc import Iterator
from typing import Any

import msgspec

from armature.runtime.contracts.sealed import data_of

__all__ = ["changes"]

_TEXT_MAX = 60


def changes(name: str, before: bytes, after: bytes) -> Iterator[str]:
    """Yield the places; `before` is the file, empty when it is missing."""
    if not before:
        yield "the file is missing"
    elif name.endswith(".json"):
        yield from _of_json(before, msgspec.json.decode(after))
    else:
        yield from _of_text(before.decode(errors="replace"), after.decode())


def _of_json(text: bytes, after: Any) -> Iterator[str]:
    try:
        before = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        yield f"the file is not JSON ({error})"
        return
    found = list(_differences("", data_of(before), data_of(after)))
    yield from found or ["only the layout or the hash differs"]


def _of_text(before: str, after: str) -> Iterator[str]:
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0))[2:]
    told = [one for one in lines if one[1:].strip() and not one.startswith("@@") and "armature-hash" not in one]
    for line in told:
        yield f"{'gone from' if line[0] == '-' else 'new in'} the code: {_cut(line[1:].strip())}"
    if not told:  # numbers of fields are read back from the file, so the code has no other ones
        yield "only the layout, the hash or a field's number differs"


def _differences(where: str, before: Any, after: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(one for one in after if one not in before)]:
            at = f"{where}.{name}" if where else str(name)
            if name not in after:
                yield f"{at}: gone from the code"
            elif name not in before:
                yield f"{at}: new in the code"
            else:
                yield from _differences(at, before[name], after[name])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _differences(f"{where}.{index}", one, other)
    elif before != after or type(before) is not type(after):
        yield f"{where}: {_shown(before)} in the file, {_shown(after)} in the code"


def _shown(value: Any) -> str:
    return _cut(msgspec.json.encode(value).decode())


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else text[:_TEXT_MAX] + "…"
