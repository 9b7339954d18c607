"""From contracts to protocol buffers: every type, operation and feed of a contract as a `ProtoFile`.

A pure function of the contract and of the numbers that were given before. What a message cannot say is decided here, once:

- An argument that was not sent is told from one that is zero: scalars that callers send are `optional`.
- `T | None` is `optional` too. Where absent and null mean different things (`T | UnsetType | None`, a default that is not null)
  it is a oneof of the value and a NullValue.
- Enums and literals travel as texts, their values in the comment: a new one breaks nobody, and the pipeline judges what is sent.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct

from armature.edges.grpc.field_words import field_words, method_words
from armature.edges.grpc.naming import refuse_names
from armature.edges.grpc.numbering import NO_PINS, Pins, numbered
from armature.edges.grpc.proto import (
    NULL,
    Carrier,
    NotForMessages,
    ProtoField,
    ProtoFile,
    ProtoMessage,
    ProtoMethod,
    ProtoService,
)
from armature.edges.grpc.shapes import Shape, members, shape_of, struct_fields, type_name
from armature.kernel.event import event_type
from armature.kernel.operation import Operation, feeds, operations

__all__ = ["packages", "proto_file"]

_EMPTY = "google.protobuf.Empty"
_IMPORTS = {
    "google.protobuf.Empty": "google/protobuf/empty.proto",
    "google.protobuf.NullValue": "google/protobuf/struct.proto",
    "google.protobuf.Timestamp": "google/protobuf/timestamp.proto",
}

Kind = Literal["struct", "request", "union", "box", "item"]


def packages(contracts: Iterable[type]) -> dict[str, list[type]]:
    """Return the contracts by package, `counter.v1`: what one `.proto` holds."""
    found: dict[str, list[type]] = {}
    for contract in contracts:
        name, version = contract.__contract_name__, contract.__contract_version__  # type: ignore[attr-defined]
        found.setdefault(f"{name}.v{version}", []).append(contract)
    return found


def proto_file(contracts: Sequence[type], pins: Pins = NO_PINS) -> ProtoFile:
    """Return the file of contracts that share a name and a version; `pins` are the numbers its fields had before."""
    by_package = packages(contracts)
    if len(by_package) != 1:
        raise TypeError(f"one .proto holds one package, not {sorted(by_package)}; call once for each of packages(contracts)")
    return _Builder(contracts, pins).file(next(iter(by_package)))


class _Builder:
    def __init__(self, contracts: Sequence[type], pins: Pins) -> None:
        self._contracts = contracts
        self._pins = pins
        self._messages: dict[str, ProtoMessage] = {}
        self._owners: dict[str, Any] = {}
        self._sent = _sent_structs(contracts)

    def file(self, package: str) -> ProtoFile:
        services = tuple(self._service(contract) for contract in self._contracts)
        used = {field.type for message in self._messages.values() for field in message.fields}
        used |= {method.response for service in services for method in service.methods}
        imports = tuple(sorted(file for name, file in _IMPORTS.items() if name in used))
        made = ProtoFile(package, services, tuple(self._messages.values()), imports)
        refuse_names(made)
        return made

    def _service(self, contract: type) -> ProtoService:
        methods = [self._method(one) for one in operations(contract)] + [self._feed(one) for one in feeds(contract)]
        return ProtoService(contract.__name__, tuple(methods), inspect.getdoc(contract) or "")

    def _method(self, operation: Operation) -> ProtoMethod:
        name = _pascal(operation.name)
        response, carrier = self._result(operation, name)
        return ProtoMethod(
            name=name,
            operation=operation.full_name,
            request=self._request(operation, name, ()),
            response=response,
            safe=operation.declared.kind == "query",
            doc=method_words(operation),
            carrier=carrier,
        )

    def _feed(self, operation: Operation) -> ProtoMethod:
        name = _pascal(operation.name)
        after = ProtoField(
            name="after",
            number=0,
            type="string",
            label="optional",
            doc="The cursor of the last item that was seen; without it the stream begins now.",
        )
        request = self._request(operation, name, (after,))
        cursor = ProtoField(name="cursor", number=0, type="string", doc="Where the stream stands; send it as `after` to resume.")
        events = [self._event(event) for event in operation.declared.of]
        item = f"{name}Item"
        self._take(
            item,
            operation.full_name,
            None,
            "item",
            lambda: (cursor, *events),
            "One event; an item without one says that none came.",
        )
        doc = method_words(operation)
        return ProtoMethod(
            name=name, operation=operation.full_name, request=request, response=item, stream=True, safe=True, doc=doc
        )

    def _event(self, event: type) -> ProtoField:
        carrier = self._carrier(shape_of(event), "", "")
        name = event_type(event).name.replace(".", "_")
        return ProtoField(name=name, number=0, type=carrier.type, oneof="event", carrier=carrier, python=event)

    def _request(self, operation: Operation, name: str, more: tuple[ProtoField, ...]) -> str:
        message = f"{name}Request"

        def fields() -> tuple[ProtoField, ...]:
            own = struct_fields(operation.arguments)
            return (*[one for field, kind in own for one in self._field(message, field, kind, sent=True)], *more)

        return self._take(message, operation.full_name, operation.arguments, "request", fields, "")

    def _result(self, operation: Operation, name: str) -> tuple[str, Carrier | None]:
        if operation.result in (None, type(None)):
            return _EMPTY, None
        shape = shape_of(operation.result)
        if shape.kind == "struct" and not shape.null:
            carrier = self._carrier(shape, "", "")
            return carrier.type, carrier
        message = f"{name}Response"
        self._box(message, operation.full_name, shape)
        return message, Carrier(kind="boxed", type=message)

    def _struct(self, kind: Any) -> str:
        message = type_name(kind)
        sent = repr(kind) in self._sent

        def fields() -> tuple[ProtoField, ...]:
            return tuple(one for field, type in struct_fields(kind) for one in self._field(message, field, type, sent=sent))

        return self._take(message, repr(kind), kind, "struct", fields, _doc(kind))

    def _take(self, name: str, owner: Any, python: Any, kind: Kind, fields: Callable[[], Sequence[ProtoField]], doc: str) -> str:
        """Make a message once; `owner` is what may have this name."""
        if name in self._owners:
            if self._owners[name] != owner:
                raise NotForMessages(
                    f"two things of one contract would be the message {name}: {self._owners[name]} and {owner}; rename one"
                )
            return name
        self._owners[name] = owner
        self._messages[name] = ProtoMessage(name=name, fields=())  # keeps its place while what it holds is made
        made = numbered(fields(), self._pins.get(name))
        self._messages[name] = ProtoMessage(
            name=name,
            fields=made.fields,
            doc=doc,
            reserved=made.reserved,
            reserved_names=made.reserved_names,
            python=python,
            kind=kind,
        )
        return name

    def _field(self, message: str, field: msgspec.structs.FieldInfo, kind: Any, *, sent: bool) -> list[ProtoField]:
        shape = shape_of(kind)
        default = UNSET if field.required else field.default
        if not field.required and field.default is msgspec.NODEFAULT:
            default = field.default_factory()
        told_apart = shape.null and (shape.unset or (not field.required and default is not None))
        may_lack = shape.null or shape.unset or not field.required
        plain_list = shape.kind in ("list", "map") and not shape.null and not shape.unset and (field.required or not default)
        boxed = shape.kind in ("list", "map") and not plain_list
        carrier = self._carrier(_without_null(shape) if boxed else shape, message, field.name, boxed=boxed)
        words = field_words(kind, None if field.required else default, required=sent and not may_lack)
        made = ProtoField(
            name=field.name,
            number=0,
            type=carrier.type,
            label=_label(carrier, optional=(may_lack or sent) and not told_apart),
            oneof=f"{field.name}_or_null" if told_apart else "",
            doc=words,
            key=field.encode_name,
            carrier=carrier,
            lacks=shape.null or shape.unset,
            absent="null" if shape.null and field.required and not told_apart else "omit",
        )
        if not told_apart:
            return [made]
        null = ProtoField(
            name=f"{field.name}_null", number=0, type=NULL, oneof=made.oneof, doc="Says null; to leave it out says nothing."
        )
        return [made, null]

    def _carrier(self, shape: Shape, message: str, field: str, *, boxed: bool = False) -> Carrier:
        """How a value travels; `message` and `field` say where it stands, for what has no name of its own."""
        place = message + _pascal(field)
        if boxed:
            name = f"{place}Box"
            self._box(name, f"{message}.{field}", shape)
            return Carrier(kind="boxed", type=name)
        if shape.kind == "scalar":
            return Carrier(kind="scalar", type=shape.type, text=shape.text)
        if shape.kind == "time":
            return Carrier(kind="time", type=shape.type)
        if shape.kind == "struct":
            return Carrier(kind="message", type=self._struct(shape.python))
        if shape.kind == "union":
            return Carrier(kind="union", type=self._union(shape, place, f"{message}.{field}"))
        inner = shape_of(shape.python)
        # Neither a list nor a null can stand in a list or a map.
        item = self._carrier(inner, place, "Item", boxed=inner.kind in ("list", "map") or inner.null)
        return Carrier(kind="list" if shape.kind == "list" else "map", type=item.type, item=item)

    def _box(self, name: str, owner: str, shape: Shape) -> None:
        def fields() -> list[ProtoField]:
            # A list that may be null is boxed once more: an empty one is something else.
            boxed = shape.kind in ("list", "map") and (shape.null or shape.unset)
            carrier = self._carrier(_without_null(shape) if boxed else shape, name, "value", boxed=boxed)
            label = _label(carrier, optional=shape.null or shape.unset)
            return [
                ProtoField(
                    name="value",
                    number=0,
                    type=carrier.type,
                    label=label,
                    carrier=carrier,
                    lacks=shape.null or shape.unset,
                    absent="null",
                )
            ]

        self._take(name, owner, None, "box", fields, "")

    def _union(self, shape: Shape, place: str, owner: str) -> str:
        def fields() -> list[ProtoField]:
            made = []
            for one in members(shape.python):
                carrier = self._carrier(shape_of(one), "", "")
                name = _snake(type_name(one))
                made.append(ProtoField(name=name, number=0, type=carrier.type, oneof="kind", carrier=carrier, python=one))
            return made

        return self._take(place, owner, shape.python, "union", fields, "")


def _without_null(shape: Shape) -> Shape:
    return msgspec.structs.replace(shape, null=False, unset=False)


def _label(carrier: Carrier, *, optional: bool) -> Literal["", "optional", "repeated", "map"]:
    if carrier.kind == "list":
        return "repeated"
    if carrier.kind == "map":
        return "map"
    # A message is told from none anyway.
    return "optional" if optional and carrier.kind == "scalar" else ""


def _sent_structs(contracts: Sequence[type]) -> frozenset[str]:
    """The structs that callers send: in these a zero must be told from nothing."""
    found: dict[str, None] = {}
    for contract in contracts:
        for operation in operations(contract):
            for _, kind in struct_fields(operation.arguments):
                _reach(kind, found)
    return frozenset(found)


def _reach(kind: Any, found: dict[str, None]) -> None:
    shape = shape_of(kind)
    inner: Sequence[Any] = ()
    if shape.kind == "struct" and repr(shape.python) not in found:
        found[repr(shape.python)] = None
        inner = [type for _, type in struct_fields(shape.python)]
    elif shape.kind == "union":
        inner = members(shape.python)
    elif shape.kind in ("list", "map"):
        inner = [shape.python]
    for one in inner:
        _reach(one, found)


def _doc(kind: Any) -> str:
    origin: Any = getattr(kind, "__origin__", kind)
    return inspect.cleandoc(origin.__doc__ or "") if isinstance(origin, type) and issubclass(origin, Struct) else ""


def _pascal(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def _snake(name: str) -> str:
    text = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return text.lstrip("_")
