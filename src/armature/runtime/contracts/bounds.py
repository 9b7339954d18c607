"""How far a value may go, before and after: bounds of numbers and lengths, the values of an enum, formats and patterns."""

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, Literal

__all__ = ["bounds_moved", "words_moved"]

Schema = Mapping[str, Any]

_LENGTHS = {"Length": "characters", "Items": "items", "Properties": "entries"}
_FORMS = ("format", "pattern", "multipleOf", "contentEncoding")


def bounds_moved(at: str, before: Schema, after: Schema, way: Literal["asked", "given"]) -> Iterator[str]:
    """Yield bounds that became tighter for what is asked, or looser for what is given."""
    sign = 1 if way == "asked" else -1
    low, high = _low(before), _low(after)
    if sign * (high - low) > 0:
        yield f"{at}: at least {_bound(high)}, it was {_bound(low)}"
    low, high = _high(before), _high(after)
    if sign * (low - high) > 0:
        yield f"{at}: at most {_bound(high)}, it was {_bound(low)}"
    for word, unit in _LENGTHS.items():
        old, new = before.get(f"min{word}", 0), after.get(f"min{word}", 0)
        if sign * (new - old) > 0:
            yield f"{at}: at least {new} {unit}, it was {old}"
        old, new = before.get(f"max{word}", inf), after.get(f"max{word}", inf)
        if sign * (old - new) > 0:
            yield f"{at}: at most {_bound(new)} {unit}, it was {_bound(old)}"


def words_moved(at: str, before: Schema, after: Schema, way: Literal["asked", "given"]) -> Iterator[str]:
    """Yield values that are no longer accepted, or that may now come; and formats that were put on or taken off."""
    narrow, wide = (after, before) if way == "asked" else (before, after)
    closed = _values(narrow)
    verb = "is no longer accepted" if way == "asked" else "may now come"
    if closed is not None:
        others = _values(wide)
        if others is None:
            yield (
                f"{at}: any value was accepted, now one of {_list(closed)}"
                if way == "asked"
                else f"{at}: any value may now come, it was one of {_list(closed)}"
            )
        for value in others or ():
            if value not in closed:
                yield f"{at}: {value!r} {verb}"
    for form in _FORMS:
        if narrow.get(form) is not None and narrow.get(form) != wide.get(form):
            yield f"{at}: {form} is {after.get(form, 'none')}, it was {before.get(form, 'none')}"


def _values(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _list(values: list[Any]) -> str:
    return ", ".join(map(repr, values))


# A whole number above 0 is one from 1 on; of other numbers the two differ by less than anybody sends.
def _low(schema: Schema) -> float:
    exclusive = schema.get("exclusiveMinimum", -inf) + (1 if schema.get("type") == "integer" else 1e-12)
    return float(max(schema.get("minimum", -inf), exclusive))


def _high(schema: Schema) -> float:
    exclusive = schema.get("exclusiveMaximum", inf) - (1 if schema.get("type") == "integer" else 1e-12)
    return float(min(schema.get("maximum", inf), exclusive))


def _bound(value: float) -> str:
    return "no bound" if value in (inf, -inf) else str(int(value)) if value == int(value) else f"{value:.12g}"
