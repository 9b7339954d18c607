"""Rule `observability`: somebody has said how late each read model may be, and each role says in readiness how it is.

A default nobody chose is no objective: 30 s may be nothing for a report and an outage for a basket. And an objective that is
shorter than the rhythm in which lag is measured would be broken unseen.
"""

import ast
from collections.abc import Iterator

from armature.checks.contracts import keyword, subclasses
from armature.checks.executors import ROLE_CODE
from armature.checks.finding import Finding
from armature.checks.tree import FRAMEWORK, Source, Tree
from armature.runtime.model import Model, load
from armature.runtime.problems import ModelError
from armature.runtime.topology import ROLES

__all__ = ["findings"]

_KEY = "projections.lag_slo_seconds"


def findings(tree: Tree) -> list[Finding]:
    """Return read models that may be late for ever, and roles that fall ill in silence."""
    return [*_objectives(tree), *_roles(tree)]


def _objectives(tree: Tree) -> Iterator[Finding]:
    found = [
        (source, own) for sources in tree.modules().values() for source in sources for own in subclasses(source, "Projection")
    ]
    if not found:
        return
    try:
        model = load(tree.root, topology="single", environment=None, environ={})
    except ModelError:
        return  # rule `model` says why
    for source, own in found:
        yield from _objective(source, own, model)


def _objective(source: Source, own: ast.ClassDef, model: Model) -> Iterator[Finding]:
    rhythm = model.policies.projections.head_check_seconds
    said = keyword(own, "lag_slo_seconds")
    if said is None and model.origins.get(_KEY, "default") == "default":
        cure = f"add lag_slo_seconds=… to its class line, or set {_KEY} for all in platform/policies.yaml"
        yield source.found("observability:lag", own, f"nobody has said how late {own.name} may be", cure)
    seconds = said.value if isinstance(said, ast.Constant) else model.policies.projections.lag_slo_seconds
    if not isinstance(seconds, int | float) or seconds < rhythm:
        text = f"{own.name} may be {seconds!r} s late, and its lag is measured every {rhythm:g} s"
        yield source.found("observability:lag", own, text, "allow more, or lower projections.head_check_seconds")


def _roles(tree: Tree) -> Iterator[Finding]:
    if not tree.framework:
        return
    for role in ROLES:
        if role in ROLE_CODE:
            continue
        file = f"{FRAMEWORK}/runtime/roles/{role}.py"
        source = next((one for one in tree.sources if one.file == file), None)
        if source is not None and not any(_tells(one) for one in source.all(ast.ClassDef) if one.name.endswith("Role")):
            cure = "give its class `readiness`: why this process should not be asked, empty when all is well"
            yield Finding("observability:role", file, 0, f"the role '{role}' has no line in readiness", cure)


def _tells(role: ast.ClassDef) -> bool:
    return any(isinstance(one, ast.FunctionDef) and one.name == "readiness" and ast.get_docstring(one) for one in role.body)
