"""Rule `types`: only what every edge can carry crosses a contract, and personal data stays out of what is kept (laws 11)."""

import ast
import sys
from collections.abc import Iterator
from typing import Any, get_type_hints

from armature.checks.contracts import ContractSource, contract_source
from armature.checks.finding import Finding
from armature.checks.loading import project_of
from armature.checks.tree import Tree
from armature.kernel.closed_types import closed_types, personal_fields, wrong_types
from armature.kernel.event import Event
from armature.kernel.failure import Failure
from armature.kernel.operation import Operation
from armature.runtime.project import Loaded, Project
from armature.runtime.promises import not_for_messages

__all__ = ["findings"]


def findings(tree: Tree) -> list[Finding]:
    """Return types outside the closed list, and personal data in events and stored answers."""
    project = project_of(tree)
    if not isinstance(project, Project):
        return []
    sources = tree.modules()
    return [one for loaded in project.modules for one in _module(loaded, contract_source(sources[loaded.name]))]


def _module(loaded: Loaded, contract: ContractSource) -> Iterator[Finding]:
    source = contract.source
    if source is None:
        return
    for operation in loaded.operations():
        line = next((own[operation.name] for own in contract.operations.values() if operation.name in own), 0)
        for wrong in (*closed_types(operation), *_stored(operation)):
            text, _, cure = wrong.partition("; ")
            yield source.found("types:closed", line, f"{operation.full_name}: {text}", cure)
    if not any(closed_types(operation) for operation in loaded.operations()):
        for package, text, cure in not_for_messages(loaded):
            yield source.found("types:messages", 0, f"{package}: {text}", cure)
    for name, kind in _declared(loaded, source.name):
        line = _line(contract, name)
        hints = get_type_hints(kind, include_extras=True)
        fields = kind.__struct_fields__ if issubclass(kind, Event) else kind.fields
        for field in fields:
            for wrong in wrong_types(hints[field], field):
                text, _, cure = wrong.partition("; ")
                yield source.found("types:closed", line, f"{name}: {text}", cure)
        if issubclass(kind, Event):
            for field in personal_fields(kind):
                text = f"{name}.{field} is personal data, and the log is never rewritten"
                yield source.found("types:personal", line, text, "carry an id; who may see the person asks for it")


def _stored(operation: Operation) -> Iterator[str]:
    """The answer of a command is kept for its idempotency key."""
    declared = operation.declared
    if declared.kind == "command" and declared.idempotency != "none":
        for field in personal_fields(operation.result):
            yield f"the answer's field {field or 'result'} is personal data, and answers are stored; answer with an id"


def _declared(loaded: Loaded, name: str) -> Iterator[tuple[str, Any]]:
    contracts = [contract.__module__ for contract in loaded.contracts]
    for module in dict.fromkeys(contracts):
        for kind in _classes(module):
            if kind.__module__ == name and issubclass(kind, Event | Failure):
                yield kind.__name__, kind


def _classes(module: str) -> list[type]:
    return [value for value in vars(sys.modules[module]).values() if isinstance(value, type)]


def _line(contract: ContractSource, name: str) -> int:
    classes = contract.source.all(ast.ClassDef) if contract.source else []
    return next((own.lineno for own in classes if own.name == name), 0)
