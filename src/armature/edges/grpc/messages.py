"""Message classes made at run time: what protoc would have compiled into a running server, at the same speed (upb).

Every process has a pool of its own, so that two contracts in two tests, or a generated client beside us, never meet in the
one that protobuf shares.
"""

from typing import Any

from google.protobuf import any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, MethodOptions
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from armature.edges.grpc.proto import NULL, ProtoField, ProtoFile, ProtoMessage, ProtoService, entry_name

__all__ = ["Messages"]

_FOREIGN = (timestamp_pb2, duration_pb2, struct_pb2, empty_pb2, any_pb2, health_pb2, reflection_pb2)

_Field = FieldDescriptorProto
_SCALARS = {
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "double": _Field.TYPE_DOUBLE,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}


class Messages:
    """The classes of one process by their full names, and the pool that the reflection service shows."""

    def __init__(self) -> None:
        self.pool = DescriptorPool()
        for module in _FOREIGN:
            self.pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)

    def add(self, file: ProtoFile) -> None:
        """Make the messages and services of a file known."""
        self.pool.AddSerializedFile(_file(file).SerializeToString())

    def of(self, full_name: str) -> Any:
        """Return the class of a message: `counter.v1.Counter`."""
        return GetMessageClass(self.pool.FindMessageTypeByName(full_name))


def _file(file: ProtoFile) -> FileDescriptorProto:
    return FileDescriptorProto(
        name=file.file,
        package=file.package,
        syntax="proto3",
        dependency=file.imports,
        message_type=[_message(one, file.package) for one in file.messages],
        service=[_service(one, file.package) for one in file.services],
    )


def _service(service: ProtoService, package: str) -> Any:
    made = FileDescriptorProto().service.add(name=service.name)
    for method in service.methods:
        one = made.method.add(
            name=method.name,
            input_type=_full(method.request, package),
            output_type=_full(method.response, package),
            server_streaming=method.stream,
        )
        if method.safe:
            one.options.idempotency_level = MethodOptions.NO_SIDE_EFFECTS
    return made


def _message(message: ProtoMessage, package: str) -> DescriptorProto:
    made = DescriptorProto(name=message.name, reserved_name=message.reserved_names)
    for number in message.reserved:
        made.reserved_range.add(start=number, end=number + 1)
    for name in dict.fromkeys(field.oneof for field in message.fields if field.oneof):
        made.oneof_decl.add(name=name)
    for field in message.fields:
        made.field.append(_field(field, made, package))
    return made


def _field(field: ProtoField, message: DescriptorProto, package: str) -> FieldDescriptorProto:
    repeated = field.label in ("repeated", "map")
    made = _typed(field.name, field.number, field.type, package, repeated=repeated)
    if field.label == "map":
        entry = _entry(field, package)
        message.nested_type.append(entry)
        made = _typed(field.name, field.number, f"{message.name}.{entry.name}", package, repeated=True)
    elif field.oneof:
        made.oneof_index = [one.name for one in message.oneof_decl].index(field.oneof)
    elif field.label == "optional":
        # What protoc makes of `optional`: a oneof of one, after those that somebody wrote.
        made.proto3_optional = True
        made.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")
    return made


def _typed(name: str, number: int, type: str, package: str, *, repeated: bool) -> FieldDescriptorProto:
    label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    if type in _SCALARS:
        return _Field(name=name, number=number, label=label, type=_SCALARS[type])
    kind = _Field.TYPE_ENUM if type == NULL else _Field.TYPE_MESSAGE
    return _Field(name=name, number=number, label=label, type=kind, type_name=_full(type, package))


def _entry(field: ProtoField, package: str) -> DescriptorProto:
    made = DescriptorProto(name=entry_name(field.name))
    made.options.map_entry = True
    made.field.append(_typed("key", 1, "string", package, repeated=False))
    made.field.append(_typed("value", 2, field.type, package, repeated=False))
    return made


def _full(type: str, package: str) -> str:
    return f".{type}" if type.startswith("google.") else f".{package}.{type}"
