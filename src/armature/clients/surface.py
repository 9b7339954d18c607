"""What a client sees of a system, as plain values: no language, no framework, the same bytes for the same contracts.

Everything a package says is written from here, so its hash tells whether a client and a server were made from one contract.
"""

import hashlib
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from armature.clients.shapes import Shape

__all__ = ["Contract", "Enumeration", "Field", "Record", "Refusal", "Surface", "Use", "fingerprint"]


class Field(Struct, frozen=True):
    """A field or an argument. `absent` says that it may be left out; `default` what then holds, as JSON if that can be said."""

    name: str
    wire: str
    type: Shape
    absent: bool = False
    default: str | None = None


class Record(Struct, frozen=True):
    """A struct. `asked` says that it stands in arguments only, so that what has a default may be left out."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    tag_field: str | None = None
    tag: str | int | None = None
    asked: bool = False


class Enumeration(Struct, frozen=True):
    """Names for a few values."""

    name: str
    doc: str
    members: tuple[tuple[str, str | int], ...]


class Refusal(Struct, frozen=True):
    """A failure, by the name of its class."""

    name: str
    code: str
    kind: str
    status: int
    doc: str
    fields: tuple[Field, ...]


class Use(Struct, frozen=True):
    """An operation or a feed."""

    name: str
    full_name: str
    kind: Literal["query", "command", "feed"]
    method: str
    path: str
    doc: str
    arguments: tuple[Field, ...]
    path_fields: tuple[str, ...]
    in_body: bool
    result: Shape
    refuses: tuple[str, ...]
    permission: str | None
    takes_key: bool
    takes_version: bool
    conditional: bool
    floats: tuple[str, ...] = ()
    """Arguments in which a float stands somewhere."""
    unsaid: tuple[str, ...] = ()
    """What a query string cannot say of an argument, as `name=null` or `name=[]`: left out, it would be its default."""
    each: tuple[str, ...] | None = None
    """The arguments of a walk over cursor pages, without the cursor; None where there are no such pages."""
    numbered: tuple[str, ...] | None = None
    """The arguments of a walk over numbered pages, without the number."""
    events: tuple[tuple[str, str], ...] = ()
    """What a feed streams: the event's name and its record."""


class Contract(Struct, frozen=True):
    """One contract with all it speaks of."""

    name: str
    version: int
    title: str
    doc: str
    records: tuple[Record, ...]
    enumerations: tuple[Enumeration, ...]
    refusals: tuple[Refusal, ...]
    uses: tuple[Use, ...]

    def types(self) -> list[str]:
        """The names of all structs, enumerations and refusals."""
        return [
            *(one.name for one in self.records),
            *(one.name for one in self.enumerations),
            *(one.name for one in self.refusals),
        ]

    def names(self) -> Iterator[str]:
        """Every name that stands inside a class somewhere: fields, arguments and operations."""
        for fields in (*(one.fields for one in self.records), *(one.fields for one in self.refusals)):
            yield from (one.name for one in fields)
        for use in self.uses:
            yield use.name
            yield from (one.name for one in use.arguments)


class Surface(Struct, frozen=True):
    """All contracts a client is made for, and what the platform refuses by itself."""

    contracts: tuple[Contract, ...]
    platform: tuple[Refusal, ...]


def fingerprint(surface: Surface) -> str:
    """Return the hash of what a client was made from."""
    return hashlib.sha256(msgspec.json.encode(surface)).hexdigest()
