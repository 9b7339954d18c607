"""The public gRPC side of a process: which method answers for which operation, and what is served beside them."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection
from msgspec import Struct

from armature.edges.grpc.codec import Codec
from armature.edges.grpc.doors import Arrived, Entry, GrpcDoors, Metadata
from armature.edges.grpc.health import SERVICE as HEALTH
from armature.edges.grpc.health import Watchers, health_handler
from armature.edges.grpc.messages import Messages
from armature.edges.grpc.numbering import NO_PINS, Pins
from armature.edges.grpc.proto import ProtoFile, ProtoMethod, ProtoService
from armature.edges.grpc.schema import packages, proto_file
from armature.edges.grpc.server import GrpcServer
from armature.edges.grpc.status import Refusals
from armature.edges.grpc.streaming import Streaming, Until
from armature.edges.grpc.unary import Unary
from armature.edges.grpc.unheard import Unheard
from armature.edges.http.app import Doors
from armature.edges.http.endpoint import PositionCodec
from armature.engine.feeds import Live
from armature.engine.policies import GrpcPolicy
from armature.engine.served import Served
from armature.engine.telemetry import Counter, Histogram

__all__ = ["Offered", "Serving", "grpc_server"]

Arriving = Callable[[Metadata], Arrived]
"""Makes the handler of one call."""


class Offered(Struct, frozen=True):
    """What is served: contracts, the pipelines of their operations and feeds by full name, and the numbers of each package."""

    contracts: Sequence[type]
    operations: Mapping[str, Served]
    feeds: Mapping[str, Served]
    pins: Mapping[str, Pins]


class Serving(Struct, frozen=True, kw_only=True):
    """What it is served with."""

    policy: GrpcPolicy
    doors: Doors
    meters: tuple[Counter, Histogram]
    positions: Callable[[Served], PositionCodec]
    prefix: Callable[[int], str]
    """Where the routes of a contract's version live: what a `location` begins with."""
    live: Live
    missing: Callable[[], Sequence[str]]
    """Why the process is not ready; empty when it is."""
    production: bool
    message_seconds: float
    """How long a call's message may take to arrive."""


def grpc_server(offered: Offered, serving: Serving) -> GrpcServer:
    """Compile the methods and return a server that serves them once it is started."""
    messages, leaving = Messages(), asyncio.Event()
    until = Until(serving.policy.stream_age_seconds)
    largest = [one.operation.declared.body_bytes_max or 0 for one in offered.operations.values()]
    server = GrpcServer(serving.policy, until, leaving, max(largest, default=0))
    unheard = Unheard(serving.message_seconds)
    doors = GrpcDoors(serving.doors, Refusals(messages), serving.meters, unheard)
    watchers = Watchers()
    server.busy = lambda: doors.open + watchers.open
    names: list[str] = []
    found: dict[str, Arriving] = {}
    for package, contracts in packages(offered.contracts).items():
        file = proto_file(contracts, offered.pins.get(package, NO_PINS))
        messages.add(file)
        methods = _Methods(file, Codec(file, messages), offered, serving, doors)
        for service in file.services:
            name = f"{package}.{service.name}"
            names.append(name)
            found.update(methods.of(service, name, server.working, until))
    server.add([_Found(found), health_handler(names, serving.missing, leaving, watchers, unheard)])
    if serving.policy.reflection and not serving.production:
        shown = (*names, HEALTH, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(shown, server.server, pool=messages.pool)
    return server


class _Methods:
    """Makes the handlers of one package."""

    def __init__(self, file: ProtoFile, codec: Codec, offered: Offered, serving: Serving, doors: GrpcDoors) -> None:
        self._file = file
        self._codec = codec
        self._offered = offered
        self._serving = serving
        self._doors = doors

    def of(self, service: ProtoService, name: str, working: set[Any], until: Until) -> Iterator[tuple[str, Arriving]]:
        """Yield what makes the handlers of each method whose operation is served here, by its path."""
        for method in service.methods:
            if (feed := self._offered.feeds.get(method.operation)) is not None:
                entry = Entry(feed, name, method.name, self._doors)
                streaming = Streaming(entry, method, self._codec, self._serving.live, until)
                yield entry.path, streaming.arriving
            elif (pipeline := self._offered.operations.get(method.operation)) is not None:
                entry = Entry(pipeline, name, method.name, self._doors)
                yield entry.path, self._unary(entry, method, working).arriving

    def _unary(self, entry: Entry, method: ProtoMethod, working: set[Any]) -> Unary:
        prefix = self._serving.prefix(entry.pipeline.operation.version)
        return Unary(entry, method, self._codec, self._serving.positions(entry.pipeline), prefix, working)


class _Found(grpc.GenericRpcHandler):
    """Finds who answers a call, in one look for all services; whoever is found gets the metadata that grpc has read by then."""

    def __init__(self, methods: Mapping[str, Arriving]) -> None:
        self._methods = methods

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a call, None when no method has its path."""
        arriving = self._methods.get(handler_call_details.method)
        return None if arriving is None else arriving(handler_call_details.invocation_metadata)
