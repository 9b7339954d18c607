"""What two topologies disagree about, said so that somebody can look: which answer, which row, which event."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import zip_longest

import msgspec
from msgspec import Struct

from armature.testing.prove.dump import Dump
from armature.testing.prove.player import Answers
from armature.testing.prove.trace import Answer, Step, Trace

__all__ = ["KINDS", "Played", "differences", "hashes"]

KINDS = ("answers", "state", "projection", "events", "keys", "reads")
"""What is compared, in the order of the table's columns."""

_SHOWN_MAX = 10


class Played(Struct, frozen=True):
    """A topology after the trace."""

    topology: str
    nodes: int
    answers: Answers
    dump: Dump
    reads: Answers
    seconds: float


def hashes(played: Played) -> dict[str, str]:
    """Return a hash for each kind of thing that is compared."""
    found = {kind: played.dump.hash_of(kind) for kind in KINDS}
    found["answers"] = _hash(played.answers)
    found["reads"] = _hash(played.reads)
    return found


def differences(trace: Trace, first: Played, other: Played) -> list[str]:
    """Return what is not equal, in words; at most ten of each kind."""
    found = [*_shown(_answers(trace, first, other)), *_shown(_parts(first, other)), *_shown(_reads(first, other))]
    return [f"{other.topology}: {text}" for text in found]


def _answers(trace: Trace, first: Played, other: Played) -> Iterator[str]:
    for tenant, steps in trace.tenants.items():
        pairs = zip(steps, first.answers[tenant], other.answers[tenant], strict=True)
        for step, expected, got in pairs:
            if expected != got:
                yield f"{_place(step)} was answered {_text(got)}, not {_text(expected)}"


def _parts(first: Played, other: Played) -> Iterator[str]:
    names = [(part.kind, part.name) for part in first.dump.parts]
    theirs = {(part.kind, part.name): part for part in other.dump.parts}
    for mine in first.dump.parts:
        part = theirs.get((mine.kind, mine.name))
        if part is None or part.hash == mine.hash:
            if part is None:
                yield f"{mine.kind} {mine.name} is missing"
            continue
        for expected, got in zip_longest(mine.lines, part.lines):
            if expected != got:
                yield f"{mine.kind} {mine.name} holds {got}, not {expected}"
                break
    for kind, name in theirs.keys() - set(names):
        yield f"{kind} {name} is there and should not be"


def _reads(first: Played, other: Played) -> Iterator[str]:
    for tenant, expected in first.reads.items():
        got = other.reads[tenant]
        if expected != got:
            at = next((n for n, pair in enumerate(zip(expected, got, strict=False)) if pair[0] != pair[1]), 0)
            yield f"a read of tenant {tenant} at rest says {got[at : at + 1]}, not {expected[at : at + 1]}"


def _text(answer: Answer) -> str:
    return msgspec.json.encode(answer).decode()


def _place(step: Step) -> str:
    return f"step {step.number} of tenant {step.tenant} ({step.operation}: {step.method} {step.path} {step.body})"


def _shown(found: Iterator[str]) -> list[str]:
    texts = list(found)
    return texts if len(texts) <= _SHOWN_MAX else [*texts[:_SHOWN_MAX], f"and {len(texts) - _SHOWN_MAX} more like these"]


def _hash(answers: Mapping[str, Sequence[object]]) -> str:
    return sha256(msgspec.json.encode(answers, order="sorted")).hexdigest()
