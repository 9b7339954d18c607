"""What a contract cannot promise, refused at start and before it is written down: a type that one edge can carry and the next
cannot (laws 11), and names that messages cannot have."""

from collections.abc import Iterator

from armature.edges.grpc.proto import NotForMessages
from armature.edges.grpc.schema import packages, proto_file
from armature.kernel.closed_types import closed_types
from armature.runtime.problems import ModelError, Problem
from armature.runtime.project import Loaded, Project

__all__ = ["not_for_messages", "refuse_unsayable"]


def refuse_unsayable(project: Project) -> None:
    """Raise `ModelError` with every argument and result outside the closed list of types, and every name that is no name."""
    problems = [one for module in project.modules for one in _problems(module)]
    if problems:
        raise ModelError(problems)


def not_for_messages(module: Loaded) -> Iterator[tuple[str, str, str]]:
    """Yield what the `.proto` of a module's contracts could not hold: the package, what is wrong, and the cure."""
    for package, contracts in packages(module.contracts).items():
        try:
            proto_file(contracts)
        except NotForMessages as error:
            text, _, cure = str(error).rpartition("; ")
            yield package, text, cure


def _problems(module: Loaded) -> Iterator[Problem]:
    file = f"modules/{module.name}/contract.py"
    found = [(one.full_name, *_parted(wrong)) for one in module.operations() for wrong in closed_types(one)]
    for key, text, cure in found or not_for_messages(module):
        yield Problem(file, 0, key, text, cure)


def _parted(wrong: str) -> tuple[str, str]:
    text, _, cure = wrong.partition("; ")
    return text, cure
