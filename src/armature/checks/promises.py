"""Rule `contracts`, its half about documents: `contracts/` is what the code says, and what was promised is kept, or changed on
purpose. The other half, on the contract as it is written, is in `contract.py`."""

from collections.abc import Iterator

from armature.checks.finding import Finding
from armature.checks.loading import as_findings, project_of
from armature.checks.tree import Tree
from armature.engine.policies import Policies
from armature.runtime.contracts.folder import breaks, drift
from armature.runtime.contracts.released import FOLDER, documents_in
from armature.runtime.contracts.sources import promised
from armature.runtime.contracts.upcasts import unread
from armature.runtime.model import load
from armature.runtime.problems import ModelError
from armature.runtime.project import Project
from armature.runtime.promises import refuse_unsayable

__all__ = ["findings"]


def findings(tree: Tree) -> list[Finding]:
    """Return where files under contracts/ and the code part. A project without a contract has promised nothing."""
    project = project_of(tree)
    if not isinstance(project, Project) or not any(module.contracts for module in project.modules):
        return []
    if not (tree.root / FOLDER).exists():
        text = "there is no such folder, and what the modules' contracts promise is written down nowhere"
        return [Finding("contracts:missing", FOLDER, 0, text, "run `armature contracts` and commit what it writes")]
    try:
        refuse_unsayable(project)
    except ModelError:
        return []  # rule `types` tells why
    try:
        policies = load(tree.root, topology="single", environment="dev", environ={}).policies
    except ModelError as refused:
        return [*as_findings("model:load", refused.problems)]
    return list(_findings(project, policies))


def _findings(project: Project, policies: Policies) -> Iterator[Finding]:
    broken = breaks(project, policies)
    for one in broken:
        yield Finding("contracts:breaking", f"{FOLDER}/{one.file}", 0, one.text, one.cure)
    # A file with a break differs, and writing it again is not the cure.
    told = {f"{FOLDER}/{one.file}" for one in broken}
    for old in (one for one in drift(project, policies) if one.file not in told):
        text = f"{'edited by hand' if old.kind == 'edited' else 'differs from the code'}: {', '.join(old.changes[:3])}"
        yield Finding(f"contracts:{old.kind}", old.file, 0, text, old.cure)
    for lost in unread(promised(project, policies), documents_in(project.root / FOLDER)):
        yield Finding(f"contracts:{lost.rule}", lost.file, 0, lost.text, lost.cure)
