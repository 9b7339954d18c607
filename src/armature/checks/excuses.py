"""Excuses: a finding that is known, with its place and its reason. An excuse that excuses nothing is a finding itself, so the
list can only shrink."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from armature.checks.finding import Finding
from armature.checks.tree import FRAMEWORK
from armature.runtime.documents import Document, read
from armature.runtime.problems import ModelError

__all__ = ["Excuse", "excused", "excuses_file", "judged"]


class Excuse(Struct, frozen=True):
    """One entry of the file: the rule as findings print it, the file (or `file:line`), and why it may stay."""

    rule: str
    place: str
    reason: str
    line: int = 0

    def covers(self, finding: Finding) -> bool:
        """Whether this is the finding it speaks of."""
        return finding.rule == self.rule and self.place in (finding.file, f"{finding.file}:{finding.line}")


def excuses_file(root: Path) -> str:
    """The framework keeps its excuses beside its checks, a project in its model."""
    return f"{FRAMEWORK}/checks/excused.yaml" if (root / FRAMEWORK).is_dir() else "platform/excused.yaml"


def excused(root: Path) -> tuple[list[Excuse], list[Finding]]:
    """Read the excuses of a project; what is wrong with the file itself comes second."""
    file = excuses_file(root)
    if not (root / file).is_file():
        return [], []
    try:
        document = read(root / file, shown_as=file)
    except ModelError as refused:
        return [], [Finding("excuses", one.file, one.line, one.text, one.cure) for one in refused.problems]
    found: list[Excuse] = []
    wrong: list[Finding] = []
    entries = document.values.get("excused") or []
    if document.values.keys() - {"excused"} or not isinstance(entries, list):
        return [], [Finding("excuses", file, 1, "is no list of excuses", "write `excused:` and below it entries, nothing else")]
    for index, entry in enumerate(entries):
        one = _entry(document, index, entry)
        (found if isinstance(one, Excuse) else wrong).append(one)  # type: ignore[arg-type]
    return found, wrong


def _entry(document: Document, index: int, entry: object) -> Excuse | Finding:
    line = document.line(("excused", str(index), "rule"))
    values = entry if isinstance(entry, dict) else {}
    if set(values) != {"rule", "place", "reason"} or not all(isinstance(one, str) and one.strip() for one in values.values()):
        text = f"entry {index + 1} is no excuse"
        return Finding("excuses", document.file, line, text, "write rule, place and reason, all three, and nothing else")
    return Excuse(values["rule"], values["place"], values["reason"], line)


def judged(root: Path, findings: Sequence[Finding], rules: Collection[str]) -> Iterator[Finding]:
    """Drop what is excused; add excuses that no longer excuse anything. Only excuses of the rules that ran are judged."""
    excuses, wrong = excused(root)
    yield from wrong
    yield from (one for one in findings if not any(excuse.covers(one) for excuse in excuses))
    for excuse in excuses:
        if excuse.rule.partition(":")[0] in rules and not any(excuse.covers(one) for one in findings):
            text = f"nothing at {excuse.place} breaks {excuse.rule} any more"
            yield Finding("excuses", excuses_file(root), excuse.line, text, "remove the entry")
