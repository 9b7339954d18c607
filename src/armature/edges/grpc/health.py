"""The health service of gRPC (grpc.health.v1): serving while the process is ready, for itself (empty name) and for each service.

Watchers are let go when the process takes leave: a stream that never ends would hold the drain up. The drain waits until they
have been told, so each counts as open until then; who takes nothing for too long is not waited for.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from armature.edges.grpc.unheard import Unheard
from armature.kernel.failure import Failure
from armature.kernel.refusals import DeadlineExceeded

__all__ = ["SERVICE", "Watchers", "health_handler"]

SERVICE = "grpc.health.v1.Health"
_LOOK_SECONDS = 0.25
_WRITE_SECONDS = 5.0
_STATUS = health_pb2.HealthCheckResponse


class Watchers:
    """Those who are to be told once more."""

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open = 0


def health_handler(
    services: Iterable[str], missing: Callable[[], Sequence[str]], leaving: asyncio.Event, watchers: Watchers, unheard: Unheard
) -> Any:
    """Return the handler; `missing` says why the process is not ready, and is empty when it is."""
    known = frozenset(("", *services))

    def status(service: str) -> int:
        if service not in known:
            return int(_STATUS.SERVICE_UNKNOWN)
        return int(_STATUS.NOT_SERVING if leaving.is_set() or missing() else _STATUS.SERVING)

    async def check(_requests: Any, context: Any) -> Any:
        request = await _asked(unheard, context)
        if request.service not in known:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service; the empty name asks for the whole process")
        return _STATUS(status=status(request.service))

    async def watch(_requests: Any, context: Any) -> None:
        request = await _asked(unheard, context)
        watchers.open += 1
        try:
            await tell(request.service, context)
        except TimeoutError:
            return
        finally:
            watchers.open -= 1

    async def tell(service: str, context: Any) -> None:
        told = None
        while True:
            # Before the status: a process may begin to leave while somebody is told that it serves, which is not the last word.
            last = leaving.is_set()
            now = status(service)
            if now != told:
                async with asyncio.timeout(_WRITE_SECONDS):
                    await context.write(_STATUS(status=now))
                told = now
            if last:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await leaving.wait()

    read, write = health_pb2.HealthCheckRequest.FromString, _STATUS.SerializeToString
    methods = {
        "Check": grpc.stream_unary_rpc_method_handler(check, read, write),
        "Watch": grpc.stream_stream_rpc_method_handler(watch, read, write),
    }
    return grpc.method_handlers_generic_handler(SERVICE, methods)


async def _asked(unheard: Unheard, context: Any) -> Any:
    """Return the request, or refuse."""
    try:
        return await unheard.message(context)
    except Failure as failure:
        late = isinstance(failure, DeadlineExceeded)
        await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.INVALID_ARGUMENT, str(failure))
