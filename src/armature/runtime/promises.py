"""What a contract cannot promise, refused at start: a type that one edge can carry and the next cannot (laws 11)."""

from collections.abc import Iterator

from armature.kernel.closed_types import closed_types
from armature.runtime.problems import ModelError, Problem
from armature.runtime.project import Project

__all__ = ["refuse_open_types"]


def refuse_open_types(project: Project) -> None:
    """Raise `ModelError` with every argument and result outside the closed list of types."""
    problems = list(_problems(project))
    if problems:
        raise ModelError(problems)


def _problems(project: Project) -> Iterator[Problem]:
    for module in project.modules:
        for operation in module.operations():
            for wrong in closed_types(operation):
                text, _, cure = wrong.partition("; ")
                yield Problem(f"modules/{module.name}/contract.py", 0, operation.full_name, text, cure)
