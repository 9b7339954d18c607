"""Values at the edges of what the types of contracts hold; whatever way they take, they come back as they went."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import strategies as st

from tests.grpc_edge.every_type import Circle, Colour, Grade, Part, Square, Thing

__all__ = ["longs", "moments", "numbers", "parts", "prices", "texts", "things", "trimmed", "words"]

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
ODD_TEXTS = [
    *("", " ", "\0", "a\0b", "\t", "\r\n", "\u2028\u2029", "\ufeff", "\ufffd", "\uffff", "\U0010ffff"),
    *("e\u0301", "\u05e9\u05dc\u05d5\u05dd", "\u202eabc", FAMILY, "\u00df", "\u0130", "\u00e9" * 300),
    *("__proto__", "constructor", "toString", "hasOwnProperty", "length", "then", "type", "null", "true", "NaN", "0", "-0"),
    *(
        "/",
        "a/b",
        "..",
        ".",
        "%2F",
        "%252F",
        "%",
        "%zz",
        "+",
        "a+b",
        "a b",
        "?",
        "#",
        "&",
        "=",
        ";",
        ",",
        ":",
        "@",
        "~",
        "*",
        "'",
    ),
    *("\\", '"', '\\"', "\\u0000", "{name}", "{0}", "$&", "$1", "<script>", "]]>", "data: x\n\nid: 9", "9007199254740993"),
]
"""What somebody has read wrongly once: in JSON, in a URL, in a replacement, in a stream of events, as a name that is taken."""

ODD_FLOATS = [
    *(0.0, -0.0, 5e-324, 2.2250738585072014e-308, 1e308, 1.7976931348623157e308, -1.7976931348623157e308, 5.0, -5.0, 0.1, 1 / 3),
    *(0.30000000000000004, 1e15, 1e16, 1e17, 1e20, 1e21, 1e22, 123456789012345680.0, 9007199254740992.0, 9007199254740994.0),
    *(-9007199254740992.0, 1e-6, 1e-7, 1.5e-7, 4.35, 100.0),
]
ODD_LONGS = [0, 1, -1, 2**31, 2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 10**18, 2**63 - 1, -(2**63)]
ODD_PRICES = [
    "0",
    "-0",
    "0.00",
    "9.90",
    "1E+5",
    "1E-30",
    "0.1234567890123456789012345678901234567890",
    "-99999999999999999999.99",
]

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
texts = st.sampled_from(ODD_TEXTS) | words
longs = st.sampled_from(ODD_LONGS) | st.integers(-(2**63), 2**63 - 1)
numbers = st.sampled_from(ODD_FLOATS) | st.floats(allow_nan=False, allow_infinity=False)
prices = st.sampled_from(ODD_PRICES).map(Decimal) | st.decimals(allow_nan=False, allow_infinity=False)
zones = st.just(UTC) | st.integers(-839, 839).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=zones)  # noqa: DTZ001
_named = texts.filter(lambda text: bool(text.strip()))
parts = st.recursive(
    st.builds(Part, name=_named, weight=st.none() | prices),
    lambda inner: st.builds(Part, name=_named, parts=st.lists(inner, max_size=2)),
    max_leaves=4,
)


def things(longs: st.SearchStrategy[int] = longs) -> st.SearchStrategy[Thing]:
    """Things with any values; `longs` are what their whole numbers may be."""
    shapes = st.builds(Circle, radius=numbers) | st.builds(Square, side=longs, label=st.none() | texts)
    return st.builds(
        Thing,
        flag=st.booleans(),
        count=longs,
        ratio=numbers,
        text=texts,
        blob=st.binary(max_size=5) | st.just(bytes(range(256))),
        id=st.uuids(),
        at=moments,
        price=prices,
        verb=st.sampled_from(["put", "take"]),
        level=st.sampled_from([1, 2, 3]),
        colour=st.sampled_from(Colour),
        grade=st.sampled_from(Grade),
        part=parts,
        shape=shapes,
        maybe=st.none() | longs,
        maybe_part=st.none() | parts,
        maybe_shape=st.none() | shapes,
        maybe_at=st.none() | moments,
        names=st.lists(texts, max_size=2),
        ids=st.lists(st.uuids(), max_size=2),
        moments=st.lists(moments, max_size=2),
        parts=st.lists(parts, max_size=2),
        shapes=st.lists(shapes, max_size=2),
        grid=st.lists(st.lists(longs, max_size=2), max_size=2),
        gaps=st.lists(st.none() | longs, max_size=3),
        counts=st.dictionaries(texts, longs, max_size=2),
        by_name=st.dictionaries(texts, parts, max_size=2),
        lists=st.dictionaries(texts, st.lists(st.uuids(), max_size=2), max_size=2),
        shapes_by_name=st.dictionaries(texts, st.none() | shapes, max_size=2),
        renamed=longs,
        change=st.just(msgspec.UNSET) | st.none() | texts,
        change_list=st.just(msgspec.UNSET) | st.none() | st.lists(texts, max_size=2),
        change_at=st.just(msgspec.UNSET) | moments,
        some=st.lists(longs, max_size=2),
        limit=st.none() | longs,
    )


def trimmed(plain: Any) -> Any:
    """Plain values as an edge takes them: texts without white space around them, names as they are."""
    if isinstance(plain, str):
        return plain.strip()
    if isinstance(plain, list):
        return [trimmed(one) for one in plain]
    return {name: trimmed(one) for name, one in plain.items()} if isinstance(plain, dict) else plain
