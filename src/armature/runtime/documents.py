"""The door for YAML: text becomes plain values that remember their lines. The traps of YAML 1.1 are closed here (`no` is
a country and not false, `010` is not eight, a key given twice is a mistake), and nothing but data can come in."""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct, field

from armature.runtime.problems import ModelError, Problem, suggestion

__all__ = ["Document", "KeyPath", "is_text", "parse_value", "read"]

KeyPath = tuple[str, ...]

# An alias repeats its value: nine lines can unfold into a billion. No honest model comes near this.
NODES_MAX = 20_000
BYTES_MAX = 1_048_576


class Document(Struct, frozen=True):
    """The values of one file and the line of each key path (list entries by their index)."""

    file: str
    values: dict[str, Any] = field(default_factory=dict)
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def line(self, path: KeyPath) -> int:
        """The line of the key, or of the nearest key around it; 0 when unknown."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def problem(self, path: KeyPath, text: str, cure: str) -> Problem:
        return Problem(file=self.file, line=self.line(path), key=".".join(path), text=text, cure=cure)


class _Core(yaml.SafeLoader):
    """The core schema of YAML 1.2: only `true` and `false` are truth values, only decimal numbers are numbers."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


_Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Core.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|~|)$"), ["n", "~", ""])
_Core.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789"))
_Core.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)$"),
    list("-+0123456789."),
)
_Core.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        # `1e999` would pass every lower bound and stop every loop that waits for it.
        raise ValueError(text)
    return value


def is_text(text: str) -> bool:
    """False for half characters and the zero byte: no file, address or answer could carry them further."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_SCALARS: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:null": lambda text: None,
    "tag:yaml.org,2002:bool": lambda text: text.lower() == "true",
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": _finite,
}


def read(path: Path, *, shown_as: str) -> Document:
    """Read one file; raises `ModelError` with every problem of its form. An empty file has no values and is fine."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        known = [entry.stem for entry in path.parent.glob("*.yaml")] if path.parent.is_dir() else []
        raise _unreadable(shown_as, "no such file", _cure_of_missing(path, shown_as, known)) from None
    except OSError as error:
        raise _unreadable(shown_as, f"cannot be read ({error.strerror})", "make it a file this user may read") from None
    if len(data) > BYTES_MAX:
        raise _unreadable(shown_as, f"has {len(data)} bytes", f"a model file has at most {BYTES_MAX}")
    try:
        return parse(data.decode("utf-8-sig"), shown_as=shown_as)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ModelError([Problem(shown_as, line, "", "is not UTF-8 text", "save the file as UTF-8")]) from None


def parse(text: str, *, shown_as: str) -> Document:
    """Read text whose top is a mapping (or nothing); see `read`."""
    node, loader = _compose(text, shown_as)
    if node is None or _is_null(node):
        return Document(file=shown_as)
    walk = _Walk(shown_as, loader)
    values = walk.value(node, ())
    if not isinstance(values, dict):
        problem = Problem(shown_as, node.start_mark.line + 1, "", "is not a mapping", "write `key: value` lines")
        walk.problems.append(problem)
    if walk.problems:
        raise ModelError(walk.problems)
    return Document(file=shown_as, values=values, lines=walk.lines)


def parse_value(text: str, *, shown_as: str) -> Any:
    """One value as it would stand behind a key: the same words mean the same in a variable, a flag and a file."""
    node, loader = _compose(text, shown_as)
    if node is None:
        return None
    walk = _Walk(shown_as, loader)
    value = walk.value(node, ())
    if walk.problems:
        raise ModelError(walk.problems)
    return value


def _compose(text: str, file: str) -> tuple[yaml.Node | None, _Core]:
    try:
        loader = _Core(text)
        return loader.get_single_node(), loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "cannot be understood"
        raise ModelError([Problem(file, mark.line + 1 if mark else 0, "", said, _cure(said))]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        said = f"has the character {error.character!r}, which YAML does not allow"
        raise ModelError([Problem(file, line, "", said, "remove it")]) from None
    except RecursionError:
        raise ModelError([Problem(file, 0, "", "is nested too deeply", "a model has four levels")]) from None


def _cure(said: str) -> str:
    if "'\\t'" in said:
        return "indent with spaces, not with tabs"
    if "single document" in said or "but found another document" in said:
        return "keep one document per file; remove the `---` in the middle"
    if "undefined alias" in said:
        return "write the `&anchor` before its `*alias`"
    return "check colons, quotes and indentation on this line and the one above"


def _cure_of_missing(path: Path, shown_as: str, known: list[str]) -> str:
    return f"create it (it may be empty) or pick another: {suggestion(path.stem, known)}" if known else "create it"


def _unreadable(file: str, text: str, cure: str) -> ModelError:
    return ModelError([Problem(file, 0, "", text, cure)])


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


class _Walk:
    """From nodes to values. Nodes know their lines, values do not: that is why the loader's own way is not taken."""

    def __init__(self, file: str, loader: _Core) -> None:
        self.file = file
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self._loader = loader
        self._around: set[int] = set()
        self._nodes = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._nodes += 1
        if self._nodes > NODES_MAX or id(node) in self._around:
            raise ModelError([*self.problems, self._problem(node, path, "unfolds without end", "use fewer aliases")])
        self._around.add(id(node))
        try:
            if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
                self._refuse_tag(node, path)
            elif isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            elif isinstance(node, yaml.SequenceNode):
                return [self.value(entry, (*path, str(index))) for index, entry in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._around.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        self._refuse_doubles(node, path)
        try:
            self._loader.flatten_mapping(node)
        except yaml.MarkedYAMLError:
            self.problems.append(self._problem(node, path, "`<<` merges no mapping", "write `<<: *anchor`"))
            return {}
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            if not is_text(key):
                self.problems.append(self._problem(key_node, path, f"the key {key!r} is not text", "remove the escape"))
                continue
            if not key or key_node.tag != "tag:yaml.org,2002:str":
                cure = f"write it in quotes: '{key}'" if key else "a key is a word"
                self.problems.append(self._problem(key_node, path, f"the key {key or 'here'} is not text", cure))
                continue
            # After a merge the mapping's own keys come last, and win.
            self.lines[(*path, key)] = key_node.start_mark.line + 1
            values[key] = self.value(value_node, (*path, key))
        return values

    def _refuse_doubles(self, node: yaml.MappingNode, path: KeyPath) -> None:
        first: dict[str, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or not is_text(key_node.value):
                continue
            line = key_node.start_mark.line + 1
            if key_node.value in first:
                cure = f"keep one; the first is on line {first[key_node.value]}"
                self.problems.append(self._problem(key_node, (*path, key_node.value), "is given twice", cure))
            first.setdefault(key_node.value, line)

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        convert = _SCALARS.get(node.tag)
        if convert is None:
            return self._refuse_tag(node, path)
        if not is_text(node.value):
            self.problems.append(self._problem(node, path, "has a character that is no text", "remove the escape"))
            return None
        try:
            return convert(node.value)
        except ValueError:
            kind = node.tag.rpartition(":")[2]
            self.problems.append(self._problem(node, path, f"is no {kind} that can be held", "write a smaller number"))
            return None

    def _refuse_tag(self, node: yaml.Node, path: KeyPath) -> None:
        self.problems.append(self._problem(node, path, f"the tag {node.tag} is not allowed", "write plain data"))

    def _problem(self, node: yaml.Node, path: KeyPath, text: str, cure: str) -> Problem:
        return Problem(self.file, node.start_mark.line + 1, ".".join(path), text, cure)
