"""Reads contracts into the surface that a client is written from."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, get_type_hints

import msgspec

from armature.clients.kinds import Kinds, NotForClients, first_line
from armature.clients.shapes import NULL, Listed, Paged, Plain, Shape, parts_of
from armature.clients.surface import Contract, Field, Refusal, Surface, Use
from armature.edges.http.app import Bug
from armature.edges.http.openapi_problems import BODY_METHODS, takes_key, takes_version
from armature.edges.http.problem import status_of
from armature.edges.http.refusals import MethodNotAllowed, NoSuchRoute, PayloadTooLarge, UnsupportedMediaType
from armature.kernel import refusals as platform
from armature.kernel.event import event_type
from armature.kernel.failure import Failure
from armature.kernel.operation import Operation, feeds, operations

__all__ = ["platform_refusals", "read_surface"]

_PLATFORM: tuple[type[Failure], ...] = (
    *(
        getattr(platform, name)
        for name in sorted(platform.__all__)
        if name != "PlatformRefusal" and issubclass(getattr(platform, name), platform.PlatformRefusal)
    ),
    Bug,
    MethodNotAllowed,
    NoSuchRoute,
    PayloadTooLarge,
    UnsupportedMediaType,
)

_RESERVED = frozenset(
    ["type", "title", "status", "detail", "instance", "code", "kind", "timestamp", "trace_id", "details", "retry_after_seconds"]
)
"""Members of a problem that are not the failure's own, or that every refusal has."""


def platform_refusals() -> tuple[type[Failure], ...]:
    """Return what can meet every caller, whatever the contract says."""
    return _PLATFORM


def read_surface(contracts: Sequence[type], prefix: str) -> Surface:
    """Return the surface of the contracts; `prefix` is where operations are served, with `{version}` in it."""
    made = sorted((_contract(one, prefix) for one in contracts), key=lambda one: (one.name, one.version))
    kinds = Kinds(frozenset())
    return Surface(tuple(made), tuple(_refusal(one, kinds) for one in _PLATFORM))


def _contract(contract: type, prefix: str) -> Contract:
    name, version = vars(contract)["__contract_name__"], vars(contract)["__contract_version__"]
    every = (*operations(contract), *feeds(contract))
    failures = list(dict.fromkeys(one for operation in every for one in operation.declared.refuses))
    title = contract.__name__
    kinds = Kinds(frozenset({title, f"Async{title}", *(one.__name__ for one in failures)}))
    try:
        uses = tuple(_use(one, kinds, prefix.format(version=version)) for one in every)
        refusals = tuple(_refusal(one, kinds) for one in failures)
    except NotForClients as error:
        raise NotForClients(f"contract {name}: {error}") from None
    doc = inspect.cleandoc(contract.__doc__ or "")
    return Contract(name, version, title, doc, kinds.records(), tuple(kinds.enumerations), refusals, uses)


def _use(operation: Operation, kinds: Kinds, prefix: str) -> Use:
    declared = operation.declared
    arguments = tuple(_arguments(operation, kinds))
    result = kinds.shape(operation.result, told=True) if declared.status != 204 else Plain("null")
    each, numbered = _pages(operation, result)
    in_body = operation.method in BODY_METHODS and bool(operation.body_fields)
    return Use(
        name=operation.name,
        full_name=operation.full_name,
        kind=declared.kind,
        method=operation.method,
        path=prefix + operation.path,
        doc=operation.doc,
        arguments=arguments,
        path_fields=operation.path_fields,
        in_body=in_body,
        result=result,
        refuses=tuple(one.__name__ for one in declared.refuses),
        permission=declared.permission,
        takes_key=takes_key(operation),
        takes_version=takes_version(operation),
        floats=tuple(one.name for one in arguments if kinds.holds(one.type, Plain("float"))),
        unsaid=() if in_body else tuple(said for one in arguments if one.name in operation.body_fields for said in _unsaid(one)),
        conditional=declared.kind == "query" and declared.etag is not None,
        each=each,
        numbered=numbered,
        events=tuple(_events(operation, kinds)),
    )


def _arguments(operation: Operation, kinds: Kinds) -> Iterator[Field]:
    for one in msgspec.structs.fields(operation.arguments):
        default = one.default if one.default_factory is msgspec.NODEFAULT else one.default_factory()
        yield kinds.field(one.name, one.type, default, told=False)


def _unsaid(argument: Field) -> Iterator[str]:
    """Yield what a query string would turn into a default that is another value."""
    parts = parts_of(argument.type) if argument.absent else ()
    if NULL in parts and argument.default != "null":
        yield f"{argument.name}=null"
    if any(isinstance(one, Listed) for one in parts) and argument.default != "[]":
        yield f"{argument.name}=[]"


def _events(operation: Operation, kinds: Kinds) -> Iterator[tuple[str, str]]:
    for one in operation.declared.of:
        shape = kinds.shape(one, told=True)
        yield event_type(one).name, getattr(shape, "name", "")


def _pages(operation: Operation, result: Shape) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """Which arguments belong to which style of paging: what excludes the cursor has no place in a walk by cursor."""
    names = operation.arguments.__struct_fields__
    if not isinstance(result, Paged):
        return None, None
    each = numbered = None
    by_number = {"page", "size"} if "page" in names else set()
    if "cursor" in names:
        apart = {name for rule in operation.declared.rules if "cursor" in rule.apart for name in rule.apart}
        each = tuple(name for name in names if name not in {"cursor", *apart, *by_number})
    if by_number:
        by_cursor = {"cursor", "limit"} if "cursor" in names else set()
        numbered = tuple(name for name in names if name not in {"page", *by_cursor})
    return each, numbered


def _refusal(failure: type[Failure], kinds: Kinds) -> Refusal:
    hints: dict[str, Any] = get_type_hints(failure, include_extras=True)
    fields = tuple(kinds.field(name, hints[name], told=True) for name in failure.fields if name not in _RESERVED)
    return Refusal(
        failure.__name__, failure.code, failure.kind.value, status_of(failure), first_line(failure.__doc__ or ""), fields
    )
