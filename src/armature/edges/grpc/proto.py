"""A contract in the words of protocol buffers, as values: nothing here knows grpc or protobuf.

The `.proto` text, the descriptors of a running server and the codecs between structs and messages are all made from these,
so that none of them can disagree with the others.
"""

from typing import Any, Literal

from msgspec import Struct

__all__ = [
    "NULL",
    "TIME",
    "Carrier",
    "NotForMessages",
    "ProtoField",
    "ProtoFile",
    "ProtoMessage",
    "ProtoMethod",
    "ProtoService",
    "entry_name",
]

NULL = "google.protobuf.NullValue"
TIME = "google.protobuf.Timestamp"


class NotForMessages(TypeError):
    """A contract has something that no message can say; the text names it and its cure."""


class Carrier(Struct, frozen=True, kw_only=True):
    """How a value of one type travels.

    `scalar`: as it is, or as its text; `time`: as a Timestamp; `message`: a struct; `union`: a message that holds one of several
    structs; `list` and `map`: repeated and map; `boxed`: a message around what cannot stand where it is asked for, such as a
    list within a list, or a list that may be absent.
    """

    kind: Literal["scalar", "time", "message", "union", "list", "map", "boxed"]
    type: str
    """The scalar's name, or the message's; of a list or map that of its items."""
    text: Literal["", "str", "value"] = ""
    """How a value becomes the scalar: as it is, by `str`, or an enum's `.value`."""
    item: "Carrier | None" = None
    """Of a list or map: its items'."""


class ProtoField(Struct, frozen=True, kw_only=True):
    """One field of a message. `carrier` is None where the field carries no value of its own: an explicit null, a cursor."""

    name: str
    number: int
    type: str
    label: Literal["", "optional", "repeated", "map"] = ""
    oneof: str = ""
    doc: str = ""
    key: str = ""
    """What it is called in JSON; `name` is what it is called in Python."""
    carrier: Carrier | None = None
    lacks: bool = False
    """True when the value may be null or absent."""
    absent: Literal["omit", "null"] = "omit"
    """What it means that a caller leaves it out: nothing was said, or null."""
    python: Any = None
    """In a union: the struct that this field holds."""


class ProtoMessage(Struct, frozen=True, kw_only=True):
    """One message. `python` is the struct it stands for; None for one that only exists here."""

    name: str
    fields: tuple[ProtoField, ...]
    doc: str = ""
    reserved: tuple[int, ...] = ()
    reserved_names: tuple[str, ...] = ()
    python: Any = None
    kind: Literal["struct", "request", "union", "box", "item"] = "struct"


class ProtoMethod(Struct, frozen=True, kw_only=True):
    """One operation: `Get` of `counter.get`. `carrier` says how its result travels, None that it has none."""

    name: str
    operation: str
    request: str
    response: str
    stream: bool = False
    safe: bool = False
    """True when calling it changes nothing."""
    doc: str = ""
    carrier: Carrier | None = None


class ProtoService(Struct, frozen=True):
    """One contract class."""

    name: str
    methods: tuple[ProtoMethod, ...]
    doc: str = ""


class ProtoFile(Struct, frozen=True):
    """One package: everything of a contract's name and version."""

    package: str
    services: tuple[ProtoService, ...]
    messages: tuple[ProtoMessage, ...]
    imports: tuple[str, ...]

    @property
    def file(self) -> str:
        """What the file is called: `counter.v1.proto`."""
        return f"{self.package}.proto"

    def message(self, name: str) -> ProtoMessage:
        """Return the message of that name."""
        return next(one for one in self.messages if one.name == name)


def entry_name(field: str) -> str:
    """Return what protobuf calls the message of a map's entries: `ByNameEntry` of the field `by_name`."""
    return "".join(word[:1].upper() + word[1:] for word in field.split("_")) + "Entry"
