"""Do the marks of those who read the log belong to it, and does a module still have each of them?"""

from collections.abc import Collection, Iterator

from armature.engine.consumers import Marks
from armature.runtime.diagnosis import Diagnosis, error, ok, warning

__all__ = ["examine_marks"]


def examine_marks(marks: Marks, reactions: Collection[str]) -> Iterator[Diagnosis]:
    """`reactions` are the names that the project's modules have."""
    for why in marks.wrong:
        text, _, cure = why.partition("; ")
        yield error("log", text, cure)
    for name, position in marks.consumers.items():
        if name not in reactions:
            text = f"{name} has run here and no module has it any more; the broker keeps events for it since position {position}"
            yield warning("reactions", text, f"when no process of an older release runs: armature quarantined forget {name}")
    if not marks.wrong:
        yield ok("log", f"ends at {marks.head}; nobody is ahead of it")
