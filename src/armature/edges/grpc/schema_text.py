"""The `.proto` of a contract: written from a `ProtoFile`, and read again for the numbers it has given."""

import re
from collections.abc import Iterator, Mapping, Sequence

from armature.edges.grpc.numbering import Pinned, Pins
from armature.edges.grpc.proto import ProtoField, ProtoFile, ProtoMessage, ProtoMethod, ProtoService
from armature.kernel.printable import printable

__all__ = ["pins", "render"]

_WIDTH = 118
_MESSAGE = re.compile(r"^message (\w+) \{")
_FIELD = re.compile(r"^\s+(?:optional |repeated )?[\w.]+(?:<[\w. ,]+>)? (\w+) = (\d+);")
_RESERVED = re.compile(r"^\s+reserved (.+);")


def render(file: ProtoFile) -> str:
    """Return the text; the same file gives the same text, byte for byte."""
    lines = [
        f"// The package {file.package}, written by `armature contracts` from the contract; change that, and write it again.",
        "",
        'syntax = "proto3";',
        "",
        f"package {file.package};",
        "",
        *[f'import "{name}";' for name in file.imports],
        *([""] if file.imports else []),
    ]
    for service in file.services:
        lines += [*_service(service, file.package), ""]
    for message in file.messages:
        lines += [*_message(message), ""]
    return "\n".join(lines[:-1]) + "\n"


def pins(text: str) -> Pins:
    """Return the numbers that a text written by `render` has given, by message."""
    found: dict[str, Pinned] = {}
    message, fields, numbers, names = "", dict[str, int](), set[int](), set[str]()
    for line in text.splitlines():
        if started := _MESSAGE.match(line):
            message, fields, numbers, names = started[1], {}, set(), set()
            found[message] = Pinned(fields)  # an empty message stands on one line
        elif line.startswith("}") and message:
            found[message] = Pinned(fields, frozenset(numbers), frozenset(names))
            message = ""
        elif message and (reserved := _RESERVED.match(line)):
            for word in reserved[1].split(", "):
                names.add(word.strip('"')) if word.startswith('"') else numbers.add(int(word))
        elif message and (field := _FIELD.match(line)):
            fields[field[1]] = int(field[2])
    return found


def _service(service: ProtoService, package: str) -> Iterator[str]:
    # Within a service a method's name hides the message of that name.
    hidden = {method.name: f".{package}.{method.name}" for method in service.methods}
    yield from _comment(service.doc, "")
    yield f"service {service.name} {{"
    for index, method in enumerate(service.methods):
        if index:
            yield ""
        yield from _method(method, hidden)
    yield "}"


def _method(method: ProtoMethod, hidden: Mapping[str, str]) -> Iterator[str]:
    yield from _comment(method.doc, "  ")
    stream = "stream " if method.stream else ""
    request, response = (hidden.get(one, one) for one in (method.request, method.response))
    head = f"  rpc {method.name}({request}) returns ({stream}{response})"
    if method.safe:
        yield f"{head} {{"
        yield "    option idempotency_level = NO_SIDE_EFFECTS;"
        yield "  }"
    else:
        yield f"{head};"


def _message(message: ProtoMessage) -> Iterator[str]:
    yield from _comment(message.doc, "")
    if not message.fields and not message.reserved:
        yield f"message {message.name} {{}}"
        return
    yield f"message {message.name} {{"
    if message.reserved:
        yield f"  reserved {', '.join(map(str, message.reserved))};"
    if message.reserved_names:
        quoted = ", ".join(f'"{name}"' for name in message.reserved_names)
        yield f"  reserved {quoted};"
    yield from _fields(message.fields)
    yield "}"


def _fields(fields: Sequence[ProtoField]) -> Iterator[str]:
    within = ""
    for field in fields:
        if field.oneof != within:
            if within:
                yield "  }"
            if field.oneof:
                yield f"  oneof {field.oneof} {{"
            within = field.oneof
        indent = "    " if within else "  "
        yield from _comment(field.doc, indent)
        yield f"{indent}{_typed(field)} {field.name} = {field.number};"
    if within:
        yield "  }"


def _typed(field: ProtoField) -> str:
    if field.label == "map":
        return f"map<string, {field.type}>"
    return f"{field.label} {field.type}" if field.label else field.type


def _comment(text: str, indent: str) -> Iterator[str]:
    for line in printable(text).splitlines():
        rest = line.rstrip()
        while len(rest) > _WIDTH - len(indent):
            cut = rest.rfind(" ", 0, _WIDTH - len(indent))
            if cut <= 0:
                break
            yield f"{indent}// {rest[:cut]}"
            rest = rest[cut + 1 :]
        yield f"{indent}// {rest}".rstrip()
