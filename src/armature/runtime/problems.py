"""What is wrong with a model, in words that end with a cure. All problems are collected and told at once: whoever has
five typing mistakes should start the system once, not five times."""

from collections.abc import Iterable
from difflib import get_close_matches

from msgspec import Struct

__all__ = ["ModelError", "Problem", "shown", "suggestion"]

SHOWN_CHARACTERS_MAX = 60


class Problem(Struct, frozen=True, order=True):
    """One thing that is wrong: `file:line: key: text; cure`. `file` may also be a variable or a flag."""

    file: str
    line: int
    key: str
    text: str
    cure: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        subject = f"{self.key}: " if self.key else ""
        return f"{place}: {subject}{self.text}; {self.cure}"


class ModelError(Exception):
    """The model cannot be used. The message has one line per problem; `problems` has them as values."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def suggestion(word: str, known: Iterable[str]) -> str:
    """`did you mean 'replicas'?` where something is near, else the list of what exists."""
    names = sorted(known)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known are: {', '.join(names)}" if names else "nothing can stand here"


def shown(value: object) -> str:
    """A value as YAML's writer knows it, cut to a length that keeps the message on its line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "…"
