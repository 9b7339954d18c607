"""Rule `drift`: what was promised to the outside is still what the code says, or the promise is changed on purpose."""

from armature.checks.finding import Finding
from armature.checks.loading import project_of
from armature.checks.tree import Tree
from armature.runtime import contracts
from armature.runtime.model import load
from armature.runtime.problems import ModelError
from armature.runtime.project import Project

__all__ = ["findings"]


def findings(tree: Tree) -> list[Finding]:
    """Return files under contracts/ that differ from the code; a project without that folder has promised nothing yet."""
    project = project_of(tree)
    if not isinstance(project, Project) or not (tree.root / contracts.FOLDER).is_dir():
        return []
    try:
        policies = load(tree.root, topology="single", environment="dev", environ={}).policies
    except ModelError:
        return []  # rule `model` tells why
    return [
        Finding("drift:contracts", one.file, 0, f"differs from the code: {', '.join(one.changes[:3])}", one.cure)
        for one in contracts.drift(project, policies)
    ]
