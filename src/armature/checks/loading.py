"""The project as running code, for the rules that need resolved types or prepared statements. It is loaded once per run."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from armature.checks.finding import Finding
from armature.checks.tree import Tree
from armature.runtime.problems import ModelError, Problem
from armature.runtime.project import Project, load_project

__all__ = ["as_findings", "project_of"]


@lru_cache(maxsize=1)
def project_of(tree: Tree) -> Project | tuple[Finding, ...]:
    """Import the project's modules, or say why that is impossible; rule `model` reports it, others stay silent."""
    try:
        return load_project(Path(tree.root))
    except ModelError as refused:
        return as_findings("model:modules", refused.problems)
    except Exception as error:  # what runs at import is the project's own code, and may fail in any way
        text = f"modules cannot be loaded: {type(error).__name__}: {error}"
        return (Finding("model:modules", "modules", 0, text, "`armature plan` shows the place"),)


def as_findings(rule: str, problems: Sequence[Problem]) -> tuple[Finding, ...]:
    """Show what the runtime refuses as findings."""
    return tuple(
        Finding(rule, one.file, one.line, f"{one.key}: {one.text}" if one.key else one.text, one.cure) for one in problems
    )
