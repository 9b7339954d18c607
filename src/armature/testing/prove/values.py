"""Values for the arguments of any contract, mostly good and sometimes not: what a generated client sends."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any
from uuid import UUID

import msgspec
from msgspec import inspect

__all__ = ["Values", "plain"]

# Few words, so that names meet; some that stores and URLs find hard.
_WORDS = ("ant", "bee", "cat", "dog", "élan", "fox", "gnu 1", "hen's", "ibis/2", "jay%", "kiwi", "雀")
_BAD_ONE_IN = 40


class Values:
    """Makes values of a type. `known` returns the ids that were answered so far."""

    def __init__(self, random: Random, known: Callable[[], Sequence[str]]) -> None:
        self._random = random
        self._known = known

    def of(self, kind: Any) -> Any:
        """Return a plain value for a type, ready for JSON."""
        return self._of(inspect.type_info(kind))

    def _of(self, kind: inspect.Type) -> Any:
        random = self._random
        match kind:
            case inspect.BoolType():
                return random.random() < 0.5
            case inspect.IntType(ge=low, le=high):
                return self._integer(low, high)
            case inspect.FloatType():
                return random.choice((0.0, 0.5, -1.25, 1e9))
            case inspect.StrType(min_length=low, max_length=high):
                return self._text(low or 0, high or 200)
            case inspect.BytesType():
                return "AAEC"
            case inspect.UUIDType():
                return self._identity()
            case inspect.LiteralType(values=values):
                return "none of these" if self._bad() else random.choice(sorted(values, key=str))
            case inspect.EnumType(cls=cls):
                return random.choice(list(cls)).value
            case inspect.UnionType(types=types):
                return self._of(random.choice(types))
            case inspect.NoneType():
                return None
            case inspect.DateTimeType():
                return "2030-01-01T00:00:00Z"
            case inspect.DecimalType():
                return random.choice(("0", "1.50", "-3.25"))
            case inspect.ListType(item_type=item):
                return [self._of(item) for _ in range(random.randrange(4))]
            case inspect.DictType(value_type=item):
                return {random.choice(_WORDS): self._of(item) for _ in range(random.randrange(3))}
            case inspect.StructType(fields=fields):
                return {field.encode_name: self._of(field.type) for field in fields if field.required or random.random() < 0.5}
            case _:
                return None

    def _integer(self, low: int | None, high: int | None) -> int:
        bottom = low if low is not None else -3
        top = min(high if high is not None else bottom + 9, bottom + 9)
        if self._bad():
            return bottom - 1
        return self._random.randint(bottom, top)

    def _text(self, low: int, high: int) -> str:
        if self._bad():
            return "x" * (high + 1)
        ending = f" {self._random.randrange(99)}" if self._random.random() < 0.7 else ""
        return (self._random.choice(_WORDS) * (1 + low // 3) + ending)[:high]

    def _identity(self) -> str:
        known = self._known()
        if known and self._random.random() < 0.95:
            # Late ones more often: early ones have been deleted.
            return known[-1 - min(int(self._random.expovariate(0.25)), len(known) - 1)]
        return "not-an-id" if self._bad() else str(UUID(int=self._random.getrandbits(128), version=4))

    def _bad(self) -> bool:
        return self._random.randrange(_BAD_ONE_IN) == 0


def plain(value: Any) -> str:
    """Return a value as it stands in a query string."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
