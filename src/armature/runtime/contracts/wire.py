"""What the gRPC wire adds to the judgement: the number and the type by which a compiled client knows a field.

Everything else about a `.proto` follows from the promise of its contract and is judged there. A field that moves into a oneof
keeps its number and its bytes, so it breaks nobody who runs.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from armature.runtime.contracts.judge import Break

__all__ = ["broken_wire"]

_MESSAGE = re.compile(r"^message (\w+) \{(\})?")
_FIELD = re.compile(r"^\s+((?:optional |repeated )?[\w.]+(?:<[\w. ,]+>)?) (\w+) = (\d+);")
_RPC = re.compile(r"^\s+rpc (\w+)\(([\w.]+)\) returns \((.+?)\)")
_OWN = re.compile(r"(?<!\w)\.\w+\.v\d+\.")
"""A message of the file itself is written in full where an rpc has its name; it is the same message."""

_NUMBER = "give the field its number back; who compiled the old file reads another field there"
_TYPE = "keep the type, or raise the contract's version (version=2 in its class line)"


class _Field(Struct, frozen=True):
    type: str
    number: int


def broken_wire(file: str, before: str, after: str) -> list[Break]:
    """Compare two texts of one `.proto` as `armature contracts` writes them."""
    old, new = dict(_messages(before)), dict(_messages(after))
    found: list[Break] = []
    for message in old.keys() & new.keys():
        taken = {field.number: name for name, field in new[message].items()}
        for name, field in old[message].items():
            now = new[message].get(name)
            if now is None and field.number in taken:
                text = f"{message}.{name}: its number {field.number} is now that of {taken[field.number]}"
                found.append(Break(file, text, _NUMBER))
            elif now is not None:
                found += _changed(file, f"{message}.{name}", field, now)
    calls = dict(_calls(before)), dict(_calls(after))
    for name in calls[0].keys() & calls[1].keys():
        if calls[0][name] != calls[1][name]:
            text = f"rpc {name} was {calls[0][name]}, is now {calls[1][name]}"
            found.append(Break(file, text, _TYPE))
    return sorted(found)


def _changed(file: str, at: str, old: _Field, new: _Field) -> Iterator[Break]:
    if old.number != new.number:
        yield Break(file, f"{at}: its number was {old.number}, is now {new.number}", _NUMBER)
    if old.type != new.type:
        yield Break(file, f"{at}: on the gRPC wire it was {old.type}, is now {new.type}", _TYPE)


def _messages(text: str) -> Iterator[tuple[str, Mapping[str, _Field]]]:
    name, fields = "", dict[str, _Field]()
    for line in text.splitlines():
        if started := _MESSAGE.match(line):
            name, fields = started[1], {}
        elif name and (field := _FIELD.match(_OWN.sub("", line))):
            # A scalar is the same on the wire whether its absence is told or not.
            fields[field[2]] = _Field(field[1].removeprefix("optional "), int(field[3]))
        if name and (line.startswith("}") or (started and started[2])):
            yield name, fields
            name = ""


def _calls(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if call := _RPC.match(_OWN.sub("", line)):
            yield call[1], f"({call[2]}) returns ({call[3]})"
