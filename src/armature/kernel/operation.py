"""An operation as a value: everything the edges, the pipeline and the documents derive is read from here."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Literal, TypeVar, get_type_hints

import msgspec
from msgspec import Struct

from armature.kernel.event import Event, event_type
from armature.kernel.failure import Failure, FieldError

__all__ = [
    "Cached",
    "Declaration",
    "Operation",
    "Rule",
    "cached",
    "command",
    "feed",
    "feeds",
    "not_together",
    "operations",
    "query",
]

F = TypeVar("F", bound=Callable[..., Any])


class Rule(Struct, frozen=True):
    """A check across fields: `check` gets the arguments by name and returns what is wrong, or None."""

    check: Callable[[Struct], FieldError | None]
    text: str
    apart: tuple[str, ...] = ()
    """The arguments that exclude each other, where that is the rule; clients know by it what to leave out."""


def not_together(first: str, second: str) -> Rule:
    """Refuse a call that sends both arguments (absent and default count as not sent)."""

    def check(args: Struct) -> FieldError | None:
        if _sent(args, first) and _sent(args, second):
            return FieldError(first, f"cannot be sent together with {second}")
        return None

    return Rule(check, f"{first} and {second} exclude each other", (first, second))


def _sent(args: Struct, name: str) -> bool:
    default = next(f.default for f in msgspec.structs.fields(args) if f.name == name)
    return bool(getattr(args, name) != default)


class Cached(Struct, frozen=True):
    """What `cached(…)` says of a query: how long an answer may be kept, and which events end it sooner."""

    seconds: float
    until: tuple[type[Event], ...]
    by: str | None


def cached(*, seconds: float, until: Sequence[type[Event]], by: str | None = None) -> Cached:
    """Keep a query's answers: `@query(…, cache=cached(seconds=60, until=[CounterChanged], by="counter_id"))`.

    `until` are the events after which an answer no longer holds, of whichever module. With `by`, the name of an argument, only
    events of the stream that it names end an answer. The answer of such a query must depend on nothing but tenant and
    arguments: not on who asks, not on the time. Refusals are not kept.
    """
    if seconds <= 0 or not until:
        raise TypeError("cached(…) needs positive seconds and the events that end an answer: until=[SomethingChanged]")
    for one in until:
        event_type(one)
    return Cached(seconds, tuple(until), by)


class Declaration(Struct, frozen=True, kw_only=True):
    """What `@query`, `@command` and `@feed` attach to a method."""

    kind: Literal["query", "command", "feed"]
    route: str
    permission: str | None = None
    public: bool = False
    refuses: tuple[type[Failure], ...] = ()
    etag: str | None = None
    status: int = 200
    location: str | None = None
    limit: str | None = None
    idempotency: Literal["optional", "required", "none"] = "optional"
    scope: Literal["tenant", "platform"] = "tenant"
    deadline_seconds: float | None = None
    body_bytes_max: int | None = None
    rules: tuple[Rule, ...] = ()
    cache: Cached | None = None
    of: tuple[type[Event], ...] = ()
    """The events a feed streams."""


class Operation(Struct, frozen=True, kw_only=True):
    """One method of a contract, resolved: names, types and what was declared."""

    contract: str
    version: int
    name: str
    declared: Declaration
    method: str
    path: str
    arguments: type[Struct]
    """All arguments as one struct; unknown fields are refused."""
    path_fields: tuple[str, ...]
    result: Any
    doc: str

    @property
    def full_name(self) -> str:
        """`counter.increment`: how permissions, limits, metrics and logs call it."""
        return f"{self.contract}.{self.name}"

    @property
    def body_fields(self) -> tuple[str, ...]:
        """The arguments that do not stand in the path."""
        return tuple(f for f in self.arguments.__struct_fields__ if f not in self.path_fields)


def query(route: str, **declared: Any) -> Callable[[F], F]:
    """Declare a read: `@query("GET /counters/{counter_id}", permission="counter:read", refuses=[…], etag="version")`.

    Also `public=True` instead of a permission, `limit="10/minute"`, `rules=[not_together(…)]`, `deadline_seconds=`,
    `cache=cached(…)`.
    """
    return _attach("query", route, declared)


def command(route: str, **declared: Any) -> Callable[[F], F]:
    """Declare a change. Beside what `@query` takes: `idempotency="optional" | "required" | "none"`, `status=201`,
    `location="/counters/{id}"` (filled from the result), `body_bytes_max=`, `scope="platform"`.
    """
    return _attach("command", route, declared)


def feed(route: str, *, of: Sequence[type[Event]], **declared: Any) -> Callable[[F], F]:
    """Declare a stream of live events: `@feed("GET /counters/{counter_id}/events", of=[CounterChanged], permission=…)`.

    The path's only parameter is the field that the events name as their stream. The method is written as
    `async def events(self, ctx: Context, *, counter_id: UUID) -> None` with a docstring and `return`: the platform serves it, a
    service does not implement it. Also `public=True` and `limit=`.
    """
    if not of:
        raise TypeError(f"{route}: a feed names the events it streams: of=[SomethingChanged]")
    return _attach("feed", route, {**declared, "of": of})


def _attach(kind: Literal["query", "command", "feed"], route: str, declared: dict[str, Any]) -> Callable[[F], F]:
    for name in ("refuses", "rules", "of"):
        declared[name] = tuple(declared.get(name, ()))
    value = Declaration(kind=kind, route=route, **declared)
    if value.cache is not None and kind != "query":
        raise TypeError(f"{route}: only a query has answers that may be kept; remove cache=")
    if value.public == (value.permission is not None):
        raise TypeError(f"{route}: an operation has a permission or is public=True, exactly one of them")

    def attach(method: F) -> F:
        method.__operation__ = value  # type: ignore[attr-defined]
        return method

    return attach


def operations(contract: type) -> tuple[Operation, ...]:
    """Read the queries and commands of a contract class, in the order they are written."""
    return tuple(one for one in _operations(contract) if one.declared.kind != "feed")


def feeds(contract: type) -> tuple[Operation, ...]:
    """Read the feeds of a contract class, in the order they are written."""
    return tuple(one for one in _operations(contract) if one.declared.kind == "feed")


@cache
def _operations(contract: type) -> tuple[Operation, ...]:
    """A contract is what its file says: it is read once, whoever asks."""
    return tuple(_read(contract))


def _read(contract: type) -> Iterator[Operation]:
    name: str = contract.__contract_name__  # type: ignore[attr-defined]
    version: int = contract.__contract_version__  # type: ignore[attr-defined]
    for attribute, method in vars(contract).items():
        declared: Declaration | None = getattr(method, "__operation__", None)
        if declared is None:
            continue
        verb, _, path = declared.route.partition(" ")
        hints = get_type_hints(method, include_extras=True)
        where = f"{contract.__name__}.{attribute}"
        arguments = _arguments(where, method, hints)
        _refuse_strange(where, declared, arguments)
        yield Operation(
            contract=name,
            version=version,
            name=attribute,
            declared=declared,
            method=verb,
            path=path,
            arguments=arguments,
            path_fields=_path_fields(where, path, arguments),
            result=hints.get("return", None),
            doc=inspect.getdoc(method) or "",
        )


def _arguments(where: str, method: Callable[..., Any], hints: dict[str, Any]) -> type[Struct]:
    fields: list[Any] = []
    for parameter in list(inspect.signature(method).parameters.values())[2:]:  # self, ctx
        if parameter.kind is not parameter.KEYWORD_ONLY:
            raise TypeError(f"{where}: arguments are keyword-only; put a * before {parameter.name}")
        if parameter.default is parameter.empty:
            fields.append((parameter.name, hints[parameter.name]))
        else:
            fields.append((parameter.name, hints[parameter.name], parameter.default))
    return msgspec.defstruct(
        where.replace(".", "_"), fields, kw_only=True, frozen=True, forbid_unknown_fields=True, module=method.__module__
    )


def _refuse_strange(where: str, declared: Declaration, arguments: type[Struct]) -> None:
    names = arguments.__struct_fields__
    if declared.cache is not None and declared.cache.by is not None and declared.cache.by not in names:
        raise TypeError(f"{where}: cached(by={declared.cache.by!r}) names no argument of the query")
    for event in map(event_type, declared.of):
        if names != (event.stream,) or f"{{{event.stream}}}" not in declared.route:
            raise TypeError(
                f"{where}: {event.type.__name__} belongs to the stream {event.stream!r}, so the feed takes that one argument, "
                f"in its path as {{{event.stream}}}"
            )
    if len({event_type(one).domain for one in declared.of}) > 1:
        raise TypeError(f"{where}: a feed streams the events of one module; declare one feed for each")


def _path_fields(where: str, path: str, arguments: type[Struct]) -> tuple[str, ...]:
    names = tuple(part[1:-1] for part in path.split("/") if part.startswith("{"))
    for name in names:
        if name not in arguments.__struct_fields__:
            raise TypeError(f"{where}: the path names {{{name}}}, which is no argument")
    return names
