"""Variables and flags: each key of the model as `ARMATURE_<SECTION>__<KEY>`, and the few that deserve a flag.

A variable that starts with the prefix and is nearly a key is refused: `ARMATURE_HTTP_PORT` with one underscore would
otherwise be believed by whoever set it and read by nobody."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from msgspec import Struct

from armature.engine.policies import Policies
from armature.runtime.documents import is_text, parse_value
from armature.runtime.environment import Environment, SecretName, SecretReference
from armature.runtime.problems import ModelError, Problem, suggestion
from armature.runtime.shape import Leaf, leaves, misfit

__all__ = ["FLAGS", "PREFIX", "SETTABLE", "Setting", "from_flags", "from_variables", "variable"]

PREFIX = "ARMATURE_"

FLAGS: Mapping[str, str] = {
    "--host": "http.host",
    "--port": "http.port",
    "--admin-port": "http.admin_port",
    "--grpc-port": "grpc.port",
    "--health-port": "http.health_port",
    "--data": "data",
}

# These name what is loaded. A variable must not turn production off, and a file is what it is called.
_FIXED = frozenset({"name", "production", "secrets"})


class Setting(Struct, frozen=True):
    """A value that wins over the files', and where it came from."""

    leaf: Leaf
    value: Any
    origin: str


def _settable() -> dict[str, Leaf]:
    secrets = [Leaf(("secrets", name), SecretReference, None) for name in get_args(SecretName)]
    environment = [leaf for leaf in leaves(Environment) if leaf.path[0] not in _FIXED]
    return {leaf.key: leaf for leaf in [*leaves(Policies), *environment, *secrets]}


SETTABLE: Mapping[str, Leaf] = _settable()
"""Every key that a variable or a flag may set, by its dotted name."""


def variable(leaf: Leaf) -> str:
    """The variable of a key: `http.port` is `ARMATURE_HTTP__PORT`."""
    return PREFIX + "__".join(part.replace(".", "_").upper() for part in leaf.path)


_BY_VARIABLE: Mapping[str, Leaf] = {variable(leaf): leaf for leaf in SETTABLE.values()}


def from_variables(environ: Mapping[str, str]) -> tuple[list[Setting], list[Problem]]:
    """The settings that variables carry, and what is wrong with them."""
    settings: list[Setting] = []
    problems: list[Problem] = []
    for name in sorted(name for name in environ if name.startswith(PREFIX)):
        leaf = _BY_VARIABLE.get(name)
        if leaf is None:
            problems += _unknown(name)
        else:
            _take(leaf, environ[name], name, settings, problems)
    return settings, problems


def from_flags(flags: Mapping[str, str]) -> tuple[list[Setting], list[Problem]]:
    """The settings that flags carry (`--port`, or a dotted key that was given as `--set http.port=…`)."""
    settings: list[Setting] = []
    problems: list[Problem] = []
    for name, text in flags.items():
        leaf = SETTABLE.get(FLAGS.get(name, name))
        origin = name if name in FLAGS else f"--set {name}"
        if leaf is None:
            problems.append(Problem(origin, 0, "", "no such key", suggestion(name, [*FLAGS, *SETTABLE])))
        else:
            _take(leaf, text, origin, settings, problems)
    return settings, problems


def _take(leaf: Leaf, text: str, origin: str, settings: list[Setting], problems: list[Problem]) -> None:
    if not is_text(text):
        problems.append(Problem(origin, 0, leaf.key, "has a character that is no text", "write it as UTF-8"))
        return
    try:
        value = _value(leaf, text, origin)
    except ModelError as error:
        problems += error.problems
        return
    wrong = misfit(value, leaf)
    if wrong:
        problems.append(Problem(origin, 0, leaf.key, *wrong))
    else:
        settings.append(Setting(leaf, value, origin))


def _value(leaf: Leaf, text: str, origin: str) -> Any:
    """Text keys take the text as it is; a list may leave out its brackets; all else reads as it would in a file."""
    kinds = {kind if get_origin(kind) is None else get_origin(kind) for kind in _kinds(leaf.type)}
    if str in kinds and not (type(None) in kinds and text in ("null", "")):
        return text
    if list in kinds and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    return parse_value(text, shown_as=origin)


def _kinds(kind: Any) -> Iterator[Any]:
    """The plain types inside a type: `Annotated[str, …] | None` has str and None, `list[str]` is a list."""
    parts = get_args(kind)
    if hasattr(kind, "__metadata__"):
        yield from _kinds(parts[0])
    elif parts and get_origin(kind) not in (list, dict):
        for part in parts:
            yield from _kinds(part if isinstance(part, type) or get_args(part) else type(part))
    else:
        yield kind


def _unknown(name: str) -> list[Problem]:
    """Other variables may share the prefix (a secret's, a script's); one that looks like a key is a mistake."""
    near = get_close_matches(name, _BY_VARIABLE, n=1, cutoff=0.85)
    if "__" not in name and not near:
        return []
    return [Problem(name, 0, "", "no such key", suggestion(name, near or _sections()))]


def _sections() -> set[str]:
    return {f"{PREFIX}{leaf.path[0].upper()}__…" for leaf in SETTABLE.values() if len(leaf.path) > 1}
