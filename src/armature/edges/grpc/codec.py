"""Between structs and messages, by functions that are generated once for each message of a contract.

Which field goes where is the same for every call, so nothing is looked up on the way: `lambda v: M(id=str(v.id), name=v.name, …)`
(docs/decisions/0006). Arguments become the JSON that a REST client would have sent, and are then judged by the one judge of all
edges (`engine/arguments.py`): the same bounds, the same trimming, the same words for what is wrong.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, get_origin

import msgspec
from google.protobuf.unknown_fields import UnknownFieldSet
from msgspec import UNSET

from armature.edges.grpc.messages import Messages
from armature.edges.grpc.proto import NULL, Carrier, ProtoField, ProtoFile, ProtoMessage
from armature.kernel.failure import FieldError
from armature.kernel.refusals import Invalid

__all__ = ["Codec"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_A_DAY = 86_400
_NANOS_A_SECOND = 1_000_000_000

Encode = Callable[[Any], Any]
Decode = Callable[[Any], Any]


class Codec:
    """The functions of one package. `encoder(carrier)` makes a message of a value, `decoder(name)` plain values of a message."""

    def __init__(self, file: ProtoFile, messages: Messages) -> None:
        self._messages = {message.name: message for message in file.messages}
        self._scope: dict[str, Any] = {
            "UNSET": UNSET,
            "nothing": {},
            "time": _time,
            "moment": _moment,
            "number": _number,
            "known": _known,
            "text": msgspec.to_builtins,
        }
        for message in file.messages:
            self._scope[f"M_{message.name}"] = messages.of(f"{file.package}.{message.name}")
        for message in file.messages:
            self._scope[f"enc_{message.name}"] = self._encoder(message)
            self._scope[f"dec_{message.name}"] = self._decoder(message)

    def encoder(self, carrier: Carrier) -> Encode:
        """Return what makes a message of a value that travels like this."""
        made: Encode = self._eval(f"lambda v: {_sent(carrier, 'v')}")
        return made

    def decoder(self, message: str) -> Decode:
        """Return what makes the values of a request, as JSON would have them, of its message."""
        made: Decode = self._scope[f"dec_{message}"]
        return made

    def texts(self, message: str, names: Sequence[str]) -> Callable[[Any], Sequence[str] | None] | None:
        """Return what takes these texts out of a request that has no other fields, and gives None where one is missing.

        None for a request that has other fields, or whose fields are no texts: `decoder` is its only way.
        """
        fields = {field.key or field.name: field for field in self._messages[message].fields}
        if fields.keys() != set(names) or any((one.type, one.label) != ("string", "optional") for one in fields.values()):
            return None
        values = "".join(f"v.{fields[name].name}, " for name in names)
        there = "".join(f" and v.HasField({_word(fields[name].name)})" for name in names)
        return self._lambda(f"({values}) if known(v) is v{there} else None")

    def item(self, message: str) -> Encode:
        """Return what makes an item of a feed of any of its events."""
        made: Encode = self._scope[f"enc_{message}"]
        return made

    def maker(self, message: str) -> Any:
        """Return the class of a message."""
        return self._scope[f"M_{message}"]

    def _encoder(self, message: ProtoMessage) -> Encode:
        made = f"M_{message.name}"
        if message.kind in ("union", "item"):
            kinds = {one.python: self._one_of(made, one) for one in message.fields if one.python is not None}
            return lambda value: kinds[value.__class__](value)
        if message.kind == "box":
            (field,) = message.fields
            return self._lambda(f"{made}(value={_maybe(field, 'v')})")
        parts = ", ".join(f"{name}={expression}" for name, expression in _parts(message))
        return self._lambda(f"{made}({parts})")

    def _one_of(self, made: str, field: ProtoField) -> Encode:
        carrier = field.carrier or Carrier(kind="message", type=field.type)
        # Names such as `from` are fields of a message and no names of Python.
        return self._lambda(f"{made}(**{{{_word(field.name)}: {_sent(carrier, 'v')}}})")

    def _decoder(self, message: ProtoMessage) -> Decode:
        if message.kind == "union":
            kinds = {one.name: self._lambda(f"dec_{one.type}(v.{one.name})") for one in message.fields}

            def union(value: Any) -> Any:
                which = _known(value).WhichOneof("kind")
                return kinds[which](value) if which is not None else {}

            return union
        if message.kind == "box":
            (field,) = message.fields
            return self._lambda(f"({_unboxed(field)}) if known(v) is v else None")
        parts = ", ".join(_received(message))
        return self._lambda(f"{{{parts}}} if known(v) is v else nothing")

    def _lambda(self, expression: str) -> Callable[[Any], Any]:
        made: Callable[[Any], Any] = self._eval(f"lambda v: {expression}")
        return made

    def _eval(self, source: str) -> Any:
        # Every name in it is an identifier of a contract, or a text that `repr` has quoted; never a caller's.
        return eval(source, self._scope)


def _parts(message: ProtoMessage) -> Iterator[tuple[str, str]]:
    for field in message.fields:
        if field.carrier is not None:
            yield field.name, _maybe(field, f"v.{field.name}")
        elif field.type == NULL:
            yield field.name, f"0 if v.{field.name.removesuffix('_null')} is None else None"


def _maybe(field: ProtoField, value: str) -> str:
    """The expression of a field that may have no value; protobuf takes None for absent."""
    carrier = field.carrier
    if carrier is None:
        return value
    if not field.lacks:
        return _sent(carrier, value)
    return f"None if (x := {value}) is None or x is UNSET else {_sent(carrier, 'x')}"


def _sent(carrier: Carrier, value: str, depth: int = 0) -> str:
    """The expression that makes what a message holds of a value."""
    if carrier.kind == "scalar":
        return {"": value, "str": f"text({value})", "value": f"{value}.value"}[carrier.text]
    if carrier.kind == "time":
        return f"time({value})"
    if carrier.item is None:
        return f"enc_{carrier.type}({value})"
    item = _sent(carrier.item, f"i{depth}", depth + 1)
    if carrier.kind == "list":
        return value if item == f"i{depth}" else f"[{item} for i{depth} in {value}]"
    return f"{{k{depth}: {item} for k{depth}, i{depth} in {value}.items()}}"


def _received(message: ProtoMessage) -> Iterator[str]:
    """The parts of the display that makes the values of a message: one for each field."""
    if message.kind == "struct" and (config := (get_origin(message.python) or message.python).__struct_config__).tag is not None:
        yield f"{_word(config.tag_field)}: {config.tag!r}"
    for field in message.fields:
        value, key = f"v.{field.name}", _word(field.key or field.name)
        if field.type == NULL and field.carrier is None:
            yield f"**({{{_word(_twin(message, field).key)}: None}} if v.HasField({_word(field.name)}) else nothing)"
        elif field.carrier is None:
            continue  # a cursor is no argument
        elif field.label in ("repeated", "map") or _plain(field):
            yield f"{key}: {_taken(field.carrier, value)}"
        else:
            absent = f"{{{key}: None}}" if field.absent == "null" else "nothing"
            yield f"**({{{key}: {_taken(field.carrier, value)}}} if v.HasField({_word(field.name)}) else {absent})"


def _plain(field: ProtoField) -> bool:
    return field.label == "" and not field.oneof and field.carrier is not None and field.carrier.kind == "scalar"


def _twin(message: ProtoMessage, null: ProtoField) -> ProtoField:
    return next(one for one in message.fields if one.name == null.name.removesuffix("_null"))


def _unboxed(field: ProtoField) -> str:
    if field.carrier is None:
        raise TypeError("a box holds a value")
    value = _taken(field.carrier, "v.value")
    if field.label in ("repeated", "map") or _plain(field):
        return value
    return f'{value} if v.HasField("value") else None'


def _taken(carrier: Carrier, value: str, depth: int = 0) -> str:
    """The expression that makes of what a message holds what JSON would hold."""
    if carrier.kind == "scalar":
        return f"number({value})" if carrier.type == "double" else value
    if carrier.kind == "time":
        return f"moment({value})"
    if carrier.item is None:
        return f"dec_{carrier.type}({value})"
    item = _taken(carrier.item, f"i{depth}", depth + 1)
    if carrier.kind == "list":
        return f"[{item} for i{depth} in {value}]"
    return f"{{k{depth}: {item} for k{depth}, i{depth} in {value}.items()}}"


def _word(name: str) -> str:
    return repr(name)


def _time(value: datetime) -> dict[str, int]:
    since = value - _EPOCH
    return {"seconds": since.days * _SECONDS_A_DAY + since.seconds, "nanos": since.microseconds * 1_000}


def _moment(value: Any) -> datetime | str:
    """A Timestamp as a moment; one that is none is handed on as a text, which the arguments' judge refuses in its words."""
    if 0 <= value.nanos < _NANOS_A_SECOND:
        try:
            # Rounded, not cut: the same moment in JSON is read so.
            return _EPOCH + timedelta(seconds=value.seconds, microseconds=(value.nanos + 500) // 1_000)
        except OverflowError:
            pass
    return f"{value.seconds} seconds and {value.nanos} nanoseconds"


def _number(value: float) -> float | str:
    # JSON has no such numbers, and would turn them into null.
    return value if math.isfinite(value) else str(value)


def _known(value: Any) -> Any:
    """Return the message; one with fields that the contract does not know is refused, as at every public edge (laws 11)."""
    unknown = UnknownFieldSet(value)
    if len(unknown):
        numbers = [unknown[index].field_number for index in range(len(unknown))]
        raise Invalid(errors=[FieldError(f"field {number}", "unknown field") for number in numbers])
    return value
