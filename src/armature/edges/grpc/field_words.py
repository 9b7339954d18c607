"""What the comments of a `.proto` say: the bounds that its types cannot, and how a method is guarded."""

from collections.abc import Iterator
from enum import Enum
from typing import Annotated, Any, Literal, NewType, get_args, get_origin

from msgspec import UNSET, Meta

from armature.kernel.operation import Operation

__all__ = ["field_words", "method_words"]

_BOUNDS = (
    ("ge", "at least {}"),
    ("gt", "more than {}"),
    ("le", "at most {}"),
    ("lt", "less than {}"),
    ("multiple_of", "a multiple of {}"),
    ("min_length", "at least {} long"),
    ("max_length", "at most {} long"),
    ("pattern", "matches {}"),
)


def field_words(kind: Any, default: Any, *, required: bool = False) -> str:
    """Return a sentence on a field: its bounds, its allowed values, and its default unless that is None or unset."""
    words = [*(["required"] if required else []), *dict.fromkeys(_words(kind))]
    if default is not None and default is not UNSET and default != [] and default != {}:
        words.append(f"default {default.value if isinstance(default, Enum) else default}")
    text = "; ".join(words)
    return text[:1].upper() + text[1:] + "." if text else ""


def method_words(operation: Operation) -> str:
    """Return what stands above a method: its docstring, who may call it and how it refuses."""
    declared = operation.declared
    lines = [operation.doc.strip()] if operation.doc else []
    lines.append(f"Permission: {declared.permission}." if declared.permission else "Public.")
    if declared.refuses:
        lines.append(f"Refuses: {', '.join(sorted(one.code for one in declared.refuses))}.")
    if declared.idempotency == "required":
        lines.append("Needs the metadata idempotency-key.")
    return "\n".join(lines)


def _words(kind: Any) -> Iterator[str]:
    if isinstance(kind, NewType):
        yield from _words(kind.__supertype__)
        return
    if get_origin(kind) is Annotated:
        for meta in kind.__metadata__:
            if isinstance(meta, Meta):
                yield from (text.format(value) for name, text in _BOUNDS if (value := getattr(meta, name)) is not None)
        yield from _words(get_args(kind)[0])
    elif get_origin(kind) is Literal:
        yield f"one of {', '.join(map(str, get_args(kind)))}"
    elif isinstance(kind, type) and issubclass(kind, Enum):
        yield f"one of {', '.join(str(one.value) for one in kind)}"
    else:
        # Of a list or a map what is said is said of its items.
        for part in get_args(kind):
            yield from _words(part)
