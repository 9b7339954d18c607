"""Types, names and comments in TypeScript. What a contract does not know (pages, ids, options) is called by `rt.`, so that no
name of a contract can hide it."""

import json
import re
import textwrap
from collections.abc import Iterable

from armature.clients.shapes import Choice, Listed, Mapped, Named, Paged, Plain, Shape, parts_of
from armature.kernel.printable import printable

__all__ = ["ContractNames", "camel", "comment", "identifier", "member"]

_WIDTH = 120
_PLAIN = {
    "bool": "boolean",
    "int": "number",
    "float": "number",
    "str": "string",
    "bytes": "rt.Base64",
    "uuid": "rt.Uuid",
    "datetime": "rt.DateTime",
    "decimal": "rt.Decimal",
    "null": "null",
}
_LINES = (
    "arguments await break case catch class const continue debugger default delete do else enum eval export extends false",
    "finally for function if implements import in instanceof interface let new null package private protected public return",
    "static super switch this throw true try typeof undefined var void while with yield",
)
_WORDS = frozenset(word for line in _LINES for word in line.split())
# A type of these names would hide what the file itself is written with.
_TYPES = frozenset(
    ["Promise", "AsyncGenerator", "rt", "string", "number", "boolean", "object", "symbol", "bigint", "any", "unknown", "never"]
)
_PLAIN_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")


class ContractNames:
    """What the types of one contract are called."""

    def type(self, shape: Shape) -> str:
        """Return a type."""
        return " | ".join(self._one(one) for one in parts_of(shape))

    def named(self, name: str) -> str:
        """Return the name of a struct, an enumeration or a refusal."""
        return f"{name}_" if name in _TYPES or name in _WORDS else name

    def _one(self, shape: Shape) -> str:
        match shape:
            case Plain(name):
                return _PLAIN[name]
            case Choice(values):
                return " | ".join(map(json.dumps, values))
            case Named(name):
                return self.named(name)
            case Listed(item):
                inner = self.type(item)
                return f"({inner})[]" if "|" in inner else f"{inner}[]"
            case Mapped(item):
                return f"{{ [name: string]: {self.type(item)} }}"
            case Paged(item):
                return f"rt.Page<{self.type(item)}>"
        raise AssertionError(f"{shape!r} stands in a union of unions")


def identifier(name: str, reserved: Iterable[str] = ()) -> str:
    """Return a name that may be that of a variable and is none of the reserved."""
    taken = set(reserved)
    made = name.replace("-", "_")
    while made in _WORDS or made in taken:
        made += "_"
    return made


def camel(name: str) -> str:
    """Return how a method is called: `item_each` is `itemEach`."""
    first, *rest = name.strip("_").split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def member(name: str) -> str:
    """Return the name of a property, quoted if it has to be."""
    return name if _PLAIN_NAME.fullmatch(name) else json.dumps(name)


def comment(text: str, indent: str = "") -> str:
    """Return a text as a documentation comment, wrapped."""
    safe = printable(text).replace("*/", "*\\/")
    lines = [line for part in safe.splitlines() for line in (textwrap.wrap(part, _WIDTH, break_long_words=False) or [""])]
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */"
    return "\n".join([f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */"])
