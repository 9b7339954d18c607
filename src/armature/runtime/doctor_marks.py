"""Do the marks of those who read the log belong to it, and does a module still have each of them?"""

from collections.abc import Collection, Iterator

from armature.engine.consumers import Marks
from armature.runtime.diagnosis import Diagnosis, error, ok, warning

__all__ = ["examine_marks"]


def examine_marks(marks: Marks, reactions: Collection[str], home: str = "") -> Iterator[Diagnosis]:
    """`reactions` are the names that the project's modules have, `home` is the database that the marks are of."""
    for why in marks.wrong:
        text, _, cure = why.partition("; ")
        yield error("log", text, cure)
    for name, position in marks.consumers.items():
        if name not in reactions:
            kept = f"the broker keeps events for it since position {position}"
            if name in marks.pulling:
                kept = f"its mark at position {position} of another log is kept, and what it took"
            where = f" --database {home}" if home else ""
            cure = f"when no process of an older release runs: armature quarantined forget {name}{where}"
            yield warning("reactions", f"{name} has run here and no module has it any more; {kept}", cure)
    if not marks.wrong:
        yield ok("log", f"ends at {marks.head}; nobody is ahead of it")
