"""Types, names, docstrings and imports in Python. A contract may call a field `list` or `datetime`; what such a name would hide
in a class is imported under another one."""

import json
import keyword
import textwrap
from collections.abc import Iterable, Iterator

from armature.clients.blocking import member_order
from armature.clients.shapes import Choice, Listed, Mapped, Named, Paged, Plain, Shape, parts_of
from armature.clients.surface import Field
from armature.kernel.printable import printable

__all__ = ["Words", "docstring", "identifier"]

_WIDTH = 110
_FROM = {"uuid": ("uuid", "UUID"), "datetime": ("datetime", "datetime"), "decimal": ("decimal", "Decimal")}
_SAID_PLAINLY: dict[str, type | tuple[type, ...]] = {
    "bool": bool,
    "int": int,
    "float": (int, float),
    "str": str,
    "null": type(None),
}


class Words:
    """What one file calls things; `hidden` are names that stand in its classes."""

    def __init__(self, hidden: Iterable[str]) -> None:
        self._hidden = frozenset(hidden)
        self._taken: dict[str, set[tuple[str, str]]] = {}

    def take(self, module: str, name: str) -> str:
        """Return how to call what `module` offers; it is imported if need be."""
        local = f"_{name}" if name in self._hidden else name
        if module != "builtins" or local != name:
            self._taken.setdefault(module, set()).add((name, local))
        return local

    def imports(self) -> str:
        """Return the lines that import what was taken."""
        groups: list[list[str]] = [[], [], []]
        for module in sorted(self._taken, key=str.lower):
            group = 2 if module.startswith(".") else 1 if module.partition(".")[0] in ("msgspec", "httpx2") else 0
            groups[group] += _from(module, self._taken[module])
        return "\n\n".join("\n".join(group) for group in groups if group)

    def type(self, shape: Shape, *, absent: bool = False) -> str:
        """Return a type; `absent` when the value may be left out."""
        parts = sorted(parts_of(shape), key=lambda one: one == Plain("null"))
        words = [self._one(one) for one in parts]
        if absent:
            place = len(words) - (parts[-1] == Plain("null") and len(words) > 1)
            words.insert(place, self.take("msgspec", "UnsetType"))
        return " | ".join(words)

    def field(self, field: Field) -> str:
        """Return the line of a struct that declares a field."""
        default = self._default(field)
        unset = default is None and field.absent
        value = self.take("msgspec", "UNSET") if unset else default
        if field.wire != field.name:
            inner = f"default={value}, " if value is not None else ""
            value = f"{self.take('msgspec', 'field')}({inner}name={field.wire!r})"
        return f"{field.name}: {self.type(field.type, absent=unset)}" + (f" = {value}" if value is not None else "")

    def _one(self, shape: Shape) -> str:
        match shape:
            case Plain("null"):
                return "None"
            case Plain(name):
                return self.take(*_FROM[name]) if name in _FROM else self.take("builtins", name)
            case Choice(values):
                return f"{self.take('typing', 'Literal')}[{', '.join(map(json.dumps, values))}]"
            case Named(name):
                return name
            case Listed(item):
                return f"{self.take('builtins', 'list')}[{self.type(item)}]"
            case Mapped(item):
                return f"{self.take('builtins', 'dict')}[{self.take('builtins', 'str')}, {self.type(item)}]"
            case Paged(item):
                return f"{self.take('._pages', 'Page')}[{self.type(item)}]"
        raise AssertionError(f"{shape!r} stands in a union of unions")

    def _default(self, field: Field) -> str | None:
        """The default as it would be written, where it can be."""
        if field.default in ("[]", "{}"):
            return field.default
        value = json.loads(field.default) if field.default is not None else ...
        for part in parts_of(field.type) if field.absent else ():
            if isinstance(part, Plain) and isinstance(value, _SAID_PLAINLY.get(part.name, ())):
                return repr(value)
            if isinstance(part, Choice) and value in part.values:
                return repr(value)
        return None


def identifier(name: str, reserved: Iterable[str] = ()) -> str:
    """Return a name that may stand in Python code and is none of the reserved."""
    taken = set(reserved)
    made = name.replace("-", "_")
    while keyword.iskeyword(made) or made in taken:
        made += "_"
    return made


def docstring(text: str, indent: str) -> str:
    """Return a text as a docstring, wrapped."""
    safe = printable(text).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    lines = [line for part in safe.splitlines() for line in (textwrap.wrap(part, _WIDTH, break_long_words=False) or [""])]
    body = "\n".join(f"{indent}{line}".rstrip() for line in lines).strip()
    end = f"\n{indent}" if len(lines) > 1 or body.endswith('"') else ""
    return f'{indent}"""{body}{end}"""'


def _from(module: str, names: Iterable[tuple[str, str]]) -> Iterator[str]:
    plain = sorted((name for name, local in names if name == local), key=member_order)
    if plain:
        line = f"from {module} import {', '.join(plain)}"
        yield line if len(line) <= _WIDTH else f"from {module} import (\n    " + ",\n    ".join(plain) + ",\n)"
    for name, local in sorted(names):
        if name != local:
            yield f"from {module} import {name} as {local}"
