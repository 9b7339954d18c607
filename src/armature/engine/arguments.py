"""From what came over a wire to the arguments of an operation; every wrong field is named, and all at once.

The ordinary request pays for one typed decode. Only when that fails, or a text has to be trimmed, the body is decoded
untyped and converted field by field, which finds up to 20 errors, each with its path (laws 11).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn, get_args, get_origin
from uuid import UUID

import msgspec
from msgspec import Struct

from armature.engine.bounds import wrong
from armature.kernel.failure import FieldError
from armature.kernel.operation import Operation
from armature.kernel.refusals import Invalid, Malformed

__all__ = ["ERRORS_MAX", "Arguments"]

ERRORS_MAX = 20
_EXACT = frozenset((UUID, bool, bytes))
_VALUES = (bytes, datetime, UUID, Decimal)
_encode = msgspec.json.Encoder().encode
_decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode
_decode_digits: Callable[[bytes], Any] = msgspec.json.Decoder(float_hook=Decimal).decode


class Arguments:
    """The decoder of one operation, compiled at start."""

    def __init__(self, operation: Operation) -> None:
        by_name = {field.name: field for field in msgspec.structs.fields(operation.arguments)}
        self._whole = operation.arguments
        self._rules = operation.declared.rules
        self._path = [(name, by_name[name].type) for name in operation.path_fields]
        # A decoder is compiled once; `convert` looks at the type anew each time, ten times the price.
        self._from_text = [(name, msgspec.json.Decoder(kind, strict=False).decode) for name, kind in self._path]
        self._rest = {name: by_name[name] for name in operation.body_fields}
        self._body: type[Struct] = msgspec.defstruct(
            operation.arguments.__name__ + "_body",
            [_plain(field) for field in self._rest.values()],
            kw_only=True,
            forbid_unknown_fields=True,
        )
        self._decode: Callable[[bytes], Any] = msgspec.json.Decoder(self._body).decode
        self._texts = tuple(name for name, field in self._rest.items() if _holds(field.type, str))
        self._quoted = tuple(f'"{name}"'.encode() for name in self._rest)
        self._decimals = any(_holds(field.type, Decimal) for field in self._rest.values())
        self._lists = frozenset(name for name, field in self._rest.items() if _is_list(field.type))
        self._empty = not self._rest
        self._lacking = any(_holds(field.type, msgspec.UnsetType) for field in by_name.values())
        self._bounds = [(name, judge) for name, field in by_name.items() if (judge := wrong(field.type)) is not None]
        # Arguments whose class says all there is to say: a value of exactly that class needs no look.
        whole = all(field.type in _EXACT for field in by_name.values()) and not self._rules
        self._exact: dict[str, type] = {name: field.type for name, field in by_name.items()} if whole else {"": type(None)}

    def from_body(self, path: Sequence[str], body: bytes) -> dict[str, Any]:
        """Return the arguments from path values and a JSON body (empty: an empty object)."""
        try:
            return self._read(path, body)
        except RecursionError:
            raise Malformed(reason="the body is nested too deeply to be read") from None

    def from_query(self, path: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
        """Return the arguments from path values and the pairs of a query string."""
        if not pairs:
            if self._empty:
                return self._finish(path, {})
            return self.from_body(path, b"") if not self._required() else self._explain(path, {}, strict=False)
        given: dict[str, Any] = {}
        errors: list[FieldError] = []
        for name, text in pairs:
            if name in self._lists:
                given.setdefault(name, []).append(text)
            elif name in given:
                errors.append(FieldError(name, "is sent twice"))
            else:
                given[name] = text
        return self._explain(path, given, strict=False, errors=errors)

    def from_values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call inside the process, checked as a wire call is."""
        if values.keys() == self._exact.keys():
            for name, value in values.items():
                if value.__class__ is not self._exact[name]:
                    break
            else:
                return dict(values)
        if self._lacking:
            values = {name: value for name, value in values.items() if value is not msgspec.UNSET}
        try:
            whole = msgspec.convert(values, self._whole)
        except msgspec.ValidationError as error:
            try:
                # An enumeration of numbers is not taken as it is, only as what it stands for.
                whole = msgspec.convert(msgspec.to_builtins(values, builtin_types=_VALUES), self._whole)
            except (msgspec.ValidationError, TypeError):
                raise Invalid(errors=[_field_error("", error)]) from None
        return self._judged(msgspec.structs.asdict(whole))

    def _read(self, path: Sequence[str], body: bytes) -> dict[str, Any]:
        try:
            if body:
                # `in` raises and drops an error for each text it looks for.
                unsure = body.find(b"\\") >= 0
                for name in self._quoted:
                    unsure = unsure or body.count(name) > 1
                if unsure:
                    _refuse_duplicates(body)
                values = msgspec.structs.asdict(self._decode(body))
            else:
                values = {} if self._empty else msgspec.structs.asdict(self._body())
            if self._texts and self._untrimmed(values):
                return self._anew(path, body)
        except (msgspec.MsgspecError, TypeError, UnicodeDecodeError):
            return self._anew(path, body)
        return self._finish(path, values)

    def _anew(self, path: Sequence[str], body: bytes) -> dict[str, Any]:
        """Read a body field by field. A decimal number that was sent as a number keeps its digits, as it does at first sight."""
        if self._decimals and body:
            try:
                return self._explain(path, _parse(body, _decode_digits), strict=True)
            except Invalid:
                pass  # is told below, in the words for numbers as they are
        return self._explain(path, _parse(body), strict=True)

    def _required(self) -> bool:
        return any(field.required for field in self._rest.values())

    def _untrimmed(self, values: dict[str, Any]) -> bool:
        for name in self._texts:
            value: Any = values[name]
            # A text without white space around it is returned as the same object.
            if value.__class__ is str:
                if value.strip() is not value:
                    return True
            elif value is not None and value is not msgspec.UNSET:
                plain = msgspec.to_builtins(value)
                if _trimmed(plain) != plain:
                    return True
        return False

    def _finish(self, path: Sequence[str], values: dict[str, Any]) -> dict[str, Any]:
        for (name, decode), text in zip(self._from_text, path, strict=True):
            try:
                values[name] = decode(_encode(text))
            except (msgspec.ValidationError, UnicodeEncodeError) as error:
                raise Invalid(errors=[_field_error(name, error)]) from None
        return self._judged(values)

    def _judged(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values, which have their types, unless they are beyond what can be carried or against a rule."""
        if self._bounds:
            beyond = [error for name, judge in self._bounds for error in judge(name, values[name])]
            if beyond:
                raise Invalid(errors=beyond[:ERRORS_MAX])
        if self._rules:
            whole = self._whole(**values)
            found = [error for rule in self._rules if (error := rule.check(whole)) is not None]
            if found:
                raise Invalid(errors=found)
        return values

    def _explain(
        self, path: Sequence[str], given: Any, *, strict: bool, errors: list[FieldError] | None = None
    ) -> dict[str, Any]:
        errors = errors if errors is not None else []
        if not isinstance(given, dict):
            raise Invalid(errors=[FieldError("", f"expected an object, got {_kind_of(given)}")])
        values: dict[str, Any] = {}
        for (name, kind), text in zip(self._path, path, strict=True):
            _convert(name, text, kind, False, values, errors)
        for name, field in self._rest.items():
            if name in given:
                value = _trimmed(given[name]) if name in self._texts else given[name]
                _convert(name, value, field.type, strict, values, errors)
            elif field.required:
                errors.append(FieldError(name, "is required"))
            else:
                values[name] = _default(field)
        errors.extend(FieldError(str(name), "unknown field") for name in given if name not in self._rest)
        if errors:
            raise Invalid(errors=errors[:ERRORS_MAX])
        return self._judged(values)


def _plain(field: msgspec.structs.FieldInfo) -> Any:
    if field.required:
        return (field.name, field.type)
    if field.default_factory is not msgspec.NODEFAULT:
        return (field.name, field.type, msgspec.field(default_factory=field.default_factory))
    return (field.name, field.type, field.default)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def _convert(name: str, value: Any, kind: Any, strict: bool, values: dict[str, Any], errors: list[FieldError]) -> None:
    try:
        values[name] = msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        try:
            values[name] = msgspec.convert(_whole(value), kind, strict=strict)
        except msgspec.ValidationError:
            errors.append(_field_error(name, error))


def _whole(value: Any) -> Any:
    """1.0 and 1 are one number (JSON Schema 2020-12, 4.2.3); clients whose only number is a float send the former."""
    if isinstance(value, float | Decimal) and -(2**53) < value < 2**53 and value == int(value):
        return int(value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    return value


def _field_error(name: str, error: Exception) -> FieldError:
    message, _, where = str(error).partition(" - at `")
    inner = where.rstrip("`").removeprefix("$").replace("[", ".").replace("]", "").lstrip(".")
    path = ".".join(part for part in (name, inner) if part)
    return FieldError(path, message.replace("`", "").lower() if message.startswith("Expected") else message)


def _parse(body: bytes, decode: Callable[[bytes], Any] = _decode) -> Any:
    if not body:
        return {}
    try:
        return decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(reason=f"the body is not JSON ({error})") from None


def _refuse_duplicates(body: bytes) -> None:
    """Refuse an object with one name twice: parsers disagree on which of the two counts (reliability.md, tokens)."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = dict(found)
        if len(seen) != len(found):
            names = [name for name, _ in found]
            twice = next(name for name in names if names.count(name) > 1)
            _refuse_field(twice)
        return seen

    _parse(body)  # syntax and depth first, by the stricter parser
    json.loads(body, object_pairs_hook=pairs)


def _refuse_field(name: str) -> NoReturn:
    raise Invalid(errors=[FieldError(name, "is sent twice")])


def _trimmed(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return [_trimmed(item) for item in value]
    if isinstance(value, dict):
        return {name: _trimmed(item) for name, item in value.items()}
    return value


def _holds(kind: Any, sought: type, seen: frozenset[Any] = frozenset()) -> bool:
    if kind is sought:
        return True
    if isinstance(get_origin(kind) or kind, type) and issubclass(get_origin(kind) or kind, Struct):
        # What contains itself holds no more than is found outside of that.
        return kind not in seen and any(_holds(field.type, sought, seen | {kind}) for field in msgspec.structs.fields(kind))
    origin = get_origin(kind)
    if origin is not None and str(origin) == "typing.Literal":
        return False
    metadata = getattr(kind, "__metadata__", ())
    if any((meta.extra or {}).get("raw") for meta in metadata if isinstance(meta, msgspec.Meta)):
        return False  # a password is taken as it was typed
    return any(_holds(part, sought, seen) for part in get_args(kind))


def _is_list(kind: Any) -> bool:
    return kind is list or get_origin(kind) is list or any(_is_list(part) for part in get_args(kind))


def _kind_of(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "bool", int: "int", float: "float", type(None): "null"}
    return names.get(type(value), type(value).__name__)
