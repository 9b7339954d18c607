"""Names that one `.proto` can hold: protoc takes fewer than Python does, and nobody would learn of it before a client is made."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from armature.edges.grpc.proto import NotForMessages, ProtoFile, ProtoMessage, entry_name

__all__ = ["refuse_names"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINES = (
    "bool bytes double fixed32 fixed64 float int32 int64 sfixed32 sfixed64 sint32 sint64 string uint32 uint64",
    "edition enum export extend extensions google group import local map message oneof option optional package repeated",
    "required reserved returns rpc service stream syntax",
)
# A message of such a name would be read as a word of the language, or hide google.protobuf.
_WORDS = frozenset(word for line in _LINES for word in line.split())


def refuse_names(file: ProtoFile) -> None:
    """Raise `NotForMessages` where the names of a file are none in its language, or stand there twice."""
    wrong = next(_wrong(file), None)
    if wrong is not None:
        raise NotForMessages(wrong)


def _wrong(file: ProtoFile) -> Iterator[str]:
    services = {one.name for one in file.services}
    for service in file.services:
        yield from _no_names([service.name, *(method.name for method in service.methods)], service.name)
    for message in file.messages:
        yield from _no_names([message.name, *(field.name for field in message.fields)], message.name)
        if message.name in _WORDS:
            yield f"{message.name!r} is a word of protocol buffers; give the struct another name"
        if message.name in services:
            yield f"{message.name!r} is a struct and the contract's class; rename the struct"
        yield from _doubles(message)


def _no_names(names: list[str], where: str) -> Iterator[str]:
    for name in names:
        if not _NAME.fullmatch(name):
            yield f"{where}: {name!r} is no name in a .proto; use the letters A to Z, digits and _"


def _doubles(message: ProtoMessage) -> Iterator[str]:
    names = [field.name for field in message.fields] + list({field.oneof for field in message.fields if field.oneof})
    names += [f"_{field.name}" for field in message.fields if field.label == "optional"]  # how protoc tells it from nothing
    for name in _twice(names):
        yield f"{message.name}: {name!r} would stand in its .proto twice; rename the field"
    json = {field.name: _json_name(field.name) for field in message.fields}
    for name in _twice(json.values()):
        alike = ", ".join(field for field, called in json.items() if called == name)
        yield f"{message.name}: {alike} are the same name in the JSON of messages; rename the field"
    entries = [entry_name(field.name) for field in message.fields if field.label == "map"]
    for name in _twice([*entries, *({field.type for field in message.fields} & set(entries))]):
        yield f"{message.name}: {name!r} would be two messages in its .proto, one of them the entry of a map; rename the field"


def _twice(names: Iterable[str]) -> list[str]:
    return sorted(name for name, count in Counter(names).items() if count > 1)


def _json_name(name: str) -> str:
    """What protobuf calls a field in JSON: each letter after an underscore is a capital."""
    return re.sub(r"_+(.?)", lambda found: found[1].upper(), name)
