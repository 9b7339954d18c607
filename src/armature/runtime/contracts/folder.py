"""The folder `contracts/`: written from the code, committed, compared with it, and never overwritten with a break unsaid.

The files are the version that reviewers and client generators see. A change of a contract that nobody meant shows here as a
difference; one that was meant is committed together with the code. One that breaks somebody needs a new version, or a reason.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Literal

from msgspec import Struct

from armature.edges.grpc.schema import packages
from armature.engine.policies import Policies
from armature.runtime.contracts.documents import derived, judged, kept
from armature.runtime.contracts.judge import Break
from armature.runtime.contracts.released import BREAKS, FOLDER, documents_in
from armature.runtime.contracts.sealed import edited
from armature.runtime.contracts.showing import changes
from armature.runtime.contracts.sources import promised
from armature.runtime.project import Project

__all__ = ["ContractsRefused", "Drift", "NotKept", "breaks", "drift", "drop", "write"]

_SHOWN_MAX = 20
_CURES = {
    "drift": "run `armature contracts`, look at the difference, and commit the file with the code",
    "edited": "undo the edit (or delete the file) and run `armature contracts`; what is promised is changed in contract.py",
}
_BREAKS_HEAD = """\
# Intended breaks

Written by `armature contracts --break "reason"`. Each broke somebody who relied on the documents before it.
"""


class Drift(Struct, frozen=True):
    """A file that is not what the code says: `changes` names the places, each with the file's value and the code's."""

    file: str
    changes: tuple[str, ...]
    kind: Literal["drift", "edited"] = "drift"

    @property
    def cure(self) -> str:
        """What to do."""
        return _CURES[self.kind]

    def __str__(self) -> str:
        shown = [*self.changes[:_SHOWN_MAX]]
        if len(self.changes) > _SHOWN_MAX:
            shown.append(f"… and {len(self.changes) - _SHOWN_MAX} more")
        what = "was edited by hand; " if self.kind == "edited" else ""
        head = f"{self.file}: {what}{len(self.changes)} differences from the code; {self.cure}"
        return "\n".join([head, *(f"  {one}" for one in shown)])


class ContractsRefused(Exception):
    """The files were not written; the message says what stands against it."""


class NotKept(Exception):
    """There are no documents by that name that may go."""


def drift(project: Project, policies: Policies) -> list[Drift]:
    """Compare the files with the code; empty when they agree byte for byte."""
    before = documents_in(project.root / FOLDER)
    after = derived(promised(project, policies), before)
    found = []
    for name, data in after.items():
        there = before.get(name, b"")
        if there != data:
            kind: Literal["drift", "edited"] = "edited" if there and edited(name, there) else "drift"
            found.append(Drift(f"{FOLDER}/{name}", tuple(changes(name, there, data)), kind))
    for name in before.keys() - after.keys() - {BREAKS}:
        if not kept(name, after):
            found.append(Drift(f"{FOLDER}/{name}", ("the code has nothing for it",)))
        elif edited(name, before[name]):
            found.append(Drift(f"{FOLDER}/{name}", ("it is kept as it was released",), "edited"))
    return sorted(found, key=lambda one: one.file)


def breaks(project: Project, policies: Policies, before: dict[str, bytes] | None = None) -> list[Break]:
    """Return what the code breaks of these documents, or of those in the folder. Breaks that were said since are left out."""
    there = documents_in(project.root / FOLDER)
    found = judged(there if before is None else before, derived(promised(project, policies), there))
    said = there.get(BREAKS, b"").decode().splitlines()
    earlier = (before or {}).get(BREAKS, b"").decode().splitlines()
    # Told twice is told again: a break that was said once, mended and made again needs a second word.
    return found if before is None else [one for one in found if said.count(_line(one)) <= earlier.count(_line(one))]


def write(project: Project, policies: Policies, *, reason: str | None = None, today: date | None = None) -> list[Path]:
    """Write all files under `contracts/`; return those that changed.

    Raises `ContractsRefused` when that would break somebody and no `reason` is given, or would hide an edit of what is judged.
    """
    folder = project.root / FOLDER
    before = documents_in(folder)
    after = derived(promised(project, policies), before)
    _refuse_edited(before)
    broken = judged(before, after)
    if broken and reason is None:
        raise ContractsRefused(_refusal(broken))
    if broken and reason is not None:
        after[BREAKS] = _said(before.get(BREAKS, b""), reason, broken, today)
    for name in before.keys() - after.keys() - {BREAKS}:
        if not kept(name, after):
            (folder / name).unlink()
    return list(_written(folder, before, after))


def drop(project: Project, package: str) -> list[Path]:
    """Remove the documents of an older contract version, `counter.v1`, that nobody needs any more; return what was removed."""
    paths = [project.root / FOLDER / f"{package}.{ending}" for ending in ("json", "proto")]
    there = [path for path in paths if path.is_file()]
    if "/" in package or not there:
        raise NotKept(f"contracts/{package}.json is not there; `--drop` takes NAME.vN, as counter.v1")
    if package in packages(contract for module in project.modules for contract in module.contracts):
        raise NotKept(f"{package} is served; raise the contract's version, or remove the contract, and then drop its documents")
    for path in there:
        path.unlink()
    return there


def _written(folder: Path, before: dict[str, bytes], after: dict[str, bytes]) -> Iterator[Path]:
    for name, data in after.items():
        if before.get(name) != data:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            yield path


def _refuse_edited(before: dict[str, bytes]) -> None:
    """What is only read by people and tools is written again; what breaks are judged by must be what was written."""
    derived_only = {"openapi.json", "asyncapi.json", "catalogue.md", BREAKS}
    wrong = sorted(name for name, data in before.items() if name not in derived_only and edited(name, data))
    if wrong:
        names = ", ".join(f"{FOLDER}/{name}" for name in wrong)
        raise ContractsRefused(f"{names}: edited by hand, and breaking changes are judged by it; {_CURES['edited']}")


def _refusal(broken: Sequence[Break]) -> str:
    lines = [f"  {one.text}; {one.cure}" for one in broken]
    ends = (
        'nothing was written. If it must be, `armature contracts --break "reason"` writes it down in contracts/breaks.md.',
        "What was never released breaks nobody: delete its files under contracts/ and write again.",
    )
    return "\n".join([f"{len(broken)} changes break those who use the contracts:", *lines, *ends])


def _said(earlier: bytes, reason: str, broken: Sequence[Break], today: date | None) -> bytes:
    text = earlier.decode() or _BREAKS_HEAD
    when = f"{today.isoformat()}: " if today is not None else ""
    lines = [f"## {when}{' '.join(reason.split())}", "", *map(_line, broken)]
    return f"{text}\n{chr(10).join(lines)}\n".encode()


def _line(one: Break) -> str:
    return f"- `{one.file}`: {one.text}"
