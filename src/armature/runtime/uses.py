"""`uses:` and `grants:` of module.yaml, compared with the contracts: who asks whom for what, and in whose name (laws 6).

What is wrong here would show at the first call, as a refusal that no caller understands. So a start refuses it with words, and
the check `graph` says the same.
"""

import importlib
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from armature.engine.call import Identity
from armature.engine.terms import Terms
from armature.kernel.operation import Operation, operations
from armature.runtime.problems import ModelError, Problem, suggestion
from armature.runtime.project import Loaded, Project, contract_name

__all__ = ["Use", "problems", "refuse_untrue_uses", "terms_of"]

ACTOR, MODULE = "as actor", "as module"


class Use(Struct, frozen=True):
    """One entry of `uses:`. `form` is how an operation is asked; empty where nothing was said, which means as the actor."""

    index: int
    name: str
    form: str

    @property
    def key(self) -> str:
        """Where it stands."""
        return f"uses.{self.index}"

    @property
    def module(self) -> str:
        """The neighbour."""
        return self.name.partition(".")[0]


def uses_of(loaded: Loaded) -> list[Use]:
    """Return the entries as they are written."""
    split = [entry.partition(" ") for entry in loaded.manifest.uses]
    return [Use(index, name, form.strip()) for index, (name, _, form) in enumerate(split)]


def refuse_untrue_uses(project: Project) -> None:
    """Raise `ModelError` with every entry that is unknown or cannot be kept."""
    by_name = {loaded.name: loaded for loaded in project.modules}
    unknown = [one for loaded in project.modules for use in uses_of(loaded) for one in _unknown(loaded, use, by_name)]
    found = [*unknown, *problems(project)]
    if found:
        raise ModelError(found)


def terms_of(loaded: Loaded, neighbours: Mapping[str, Loaded]) -> dict[str, Terms]:
    """Return, by operation, on which terms a module asks its neighbours; for entries without `problems`."""
    found = {}
    for use in uses_of(loaded):
        neighbour = neighbours.get(use.module)
        if neighbour is None or use.name not in _operations(neighbour):
            continue
        granted = frozenset(neighbour.manifest.grants.get(loaded.name, ()))
        own = Identity(f"module:{loaded.name}", granted) if use.form == MODULE else None
        found[use.name] = Terms(loaded.name, use.name, own)
    return found


def problems(project: Project) -> Iterator[Problem]:
    """In whose name modules ask, and what they may then: what is said and cannot be kept."""
    by_name = {loaded.name: loaded for loaded in project.modules}
    for loaded in project.modules:
        uses = uses_of(loaded)
        for use in uses:
            yield from _form(loaded, use, uses, by_name)
        for contract in loaded.neighbours.values():
            yield from _silent(loaded, contract, uses)
        for asking, permissions in loaded.manifest.grants.items():
            yield from _grant(loaded, asking, permissions, by_name)


def _unknown(loaded: Loaded, use: Use, by_name: Mapping[str, Loaded]) -> Iterator[Problem]:
    neighbour = by_name.get(use.module)
    if neighbour is None:
        yield _problem(loaded, use.key, f"there is no module '{use.module}'", suggestion(use.module, by_name))
        return
    known = {*_operations(neighbour), *_events(neighbour), use.module}
    if use.name not in known:
        yield _problem(loaded, use.key, f"{use.module} has no operation or event '{use.name}'", suggestion(use.name, known))


def _form(loaded: Loaded, use: Use, uses: Sequence[Use], by_name: Mapping[str, Loaded]) -> Iterator[Problem]:
    if use.form not in ("", ACTOR, MODULE):
        cure = f"write `{use.name}`, `{use.name} as actor` or `{use.name} as module`"
        yield _problem(loaded, use.key, f"'{use.form}' is no way to ask", cure)
        return
    neighbour = by_name.get(use.module)
    offered = _operations(neighbour) if neighbour is not None else {}
    if neighbour is None or use.name not in offered:
        if use.form:
            yield _problem(loaded, use.key, f"{use.name} is nothing that is asked {use.form}", f"write `{use.name}`")
        return
    if any(other.name == use.name and other.index < use.index for other in uses):
        yield _problem(loaded, use.key, f"{use.name} stands here twice", "say once in whose name it is asked")
    permission = offered[use.name].declared.permission
    if use.form == MODULE and permission is not None and permission not in neighbour.manifest.grants.get(loaded.name, ()):
        text = f"{loaded.name} asks {use.name} as module, which needs {permission}, and nobody granted it that"
        yield _problem(neighbour, "grants", text, f"add `{loaded.name}: [{permission}]` here, or let it ask as actor")


def _silent(loaded: Loaded, contract: type, uses: Sequence[Use]) -> Iterator[Problem]:
    names = [one.full_name for one in operations(contract)]
    if not any(use.name in names for use in uses):
        text = f"it needs {contract.__name__} and does not say what it asks of it"
        yield _problem(
            loaded, "uses", text, f"add what it calls, for instance `{names[0] if names else contract_name(contract)}`"
        )


def _grant(loaded: Loaded, asking: str, permissions: Sequence[str], by_name: Mapping[str, Loaded]) -> Iterator[Problem]:
    key = f"grants.{asking}"
    if asking not in by_name:
        yield _problem(loaded, key, f"there is no module '{asking}'", suggestion(asking, by_name))
        return
    own = _operations(loaded)
    meant = {own[use.name].declared.permission for use in uses_of(by_name[asking]) if use.form == MODULE and use.name in own}
    for permission in permissions:
        if permission not in meant:
            text = f"{asking} asks nothing as module that needs {permission}"
            yield _problem(loaded, key, text, f"take {permission} away: what nobody needs nobody should have")


def _events(loaded: Loaded) -> set[str]:
    contract = importlib.import_module(f"{loaded.package}.contract")
    return {value.__event__.name for value in vars(contract).values() if hasattr(value, "__event__")}


def _operations(loaded: Loaded) -> dict[str, Operation]:
    return {one.full_name: one for one in (*loaded.operations(), *loaded.feeds())}


def _problem(loaded: Loaded, key: str, text: str, cure: str) -> Problem:
    return Problem(f"modules/{loaded.name}/module.yaml", 0, key, text, cure)
