"""How things are allowed to go wrong.

A failure is an outcome the caller can act on: it has a kind, a stable code and fields of its own, and every edge renders it
from these three. Everything else that is raised is a bug and is answered as one.
"""

from enum import Enum
from typing import Any, ClassVar, dataclass_transform, get_origin, get_type_hints

import msgspec
from msgspec import Struct

__all__ = ["Failure", "FieldError", "Kind", "field_names"]


class Kind(Enum):
    """What a caller should make of a failure; each edge maps it to its own status (docs/reference/failures.md)."""

    MALFORMED = "MALFORMED"
    INVALID = "INVALID"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PRECONDITION = "PRECONDITION"
    TOO_MANY = "TOO_MANY"
    UNAVAILABLE = "UNAVAILABLE"
    TIMEOUT = "TIMEOUT"
    BUG = "BUG"


class FieldError(Struct, frozen=True):
    """One thing wrong with one field; `path` is dotted from the body or the parameter's name (`items.0.name`)."""

    path: str
    message: str


@dataclass_transform(kw_only_default=True)
class Failure(Exception):
    """Base of every declared refusal.

    A subclass names its `kind` and its `code` ("module:reason") in the class line, its fields by annotation, and says in its
    docstring what happened: the first line becomes the `detail` that callers read, with `{field}` filled in.
    `final=True` marks a refusal that a retry with the same idempotency key must see again (laws 7).
    """

    kind: ClassVar[Kind] = Kind.BUG
    code: ClassVar[str] = "system:bug"
    final: ClassVar[bool] = False
    fields: ClassVar[tuple[str, ...]] = ()
    replayed = False
    """True on one that was decided by an earlier call and kept for its idempotency key."""

    def __init_subclass__(cls, *, kind: Kind | None = None, code: str | None = None, final: bool = False) -> None:
        super().__init_subclass__()
        if kind is not None:
            cls.kind = kind
        if code is not None:
            domain, _, reason = code.partition(":")
            if not domain or not reason:
                raise TypeError(f"{cls.__name__}: code {code!r} is not of the form 'domain:reason'")
            cls.code = code
        cls.final = final
        cls.fields = cls.fields + tuple(name for name in _annotated(cls) if name not in cls.fields)

    def __init__(self, **values: Any) -> None:
        unknown = values.keys() - set(self.fields)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no field {sorted(unknown)[0]!r}")
        for name in self.fields:
            if name in values:
                setattr(self, name, values[name])
            elif not hasattr(self, name):
                raise TypeError(f"{type(self).__name__} needs {name!r}")
        super().__init__(self.detail())

    def values(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {name: getattr(self, name) for name in self.fields}

    def detail(self) -> str:
        """Return the sentence a caller reads: the docstring's first line with the fields filled in."""
        line = (type(self).__doc__ or type(self).code).strip().splitlines()[0]
        return line.format_map({k: str(v) for k, v in self.values().items()}) if "{" in line else line

    @classmethod
    def restore(cls, values: dict[str, Any]) -> "Failure":
        """Rebuild a failure from its plain values, as they came over a wire or out of a stored answer."""
        hints = get_type_hints(cls)
        return cls(**{name: msgspec.convert(value, hints[name], strict=False) for name, value in values.items()})


def field_names(failure: type[Failure]) -> tuple[str, ...]:
    """Return the names of a failure's fields in the order of their declaration."""
    return failure.fields


def _annotated(cls: type) -> list[str]:
    own = cls.__dict__.get("__annotations__")
    if own is None:  # Python 3.14 keeps annotations behind a function
        own = getattr(cls, "__annotations__", {})
    return [name for name, hint in own.items() if get_origin(hint) is not ClassVar and "ClassVar" not in str(hint)]
