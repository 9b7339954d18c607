"""Role `neighbour`: answers other processes for the modules hosted here."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress

from msgspec import Struct

from armature.engine.delivery_log import DeliveryLog
from armature.engine.feeds import Feed, Source
from armature.engine.overload import OverloadGuard
from armature.engine.pipeline import OperationPipeline
from armature.engine.positions import Positions
from armature.engine.remote_host import HostParts, RemoteHost
from armature.engine.remote_message import Seal
from armature.engine.trace import Tracer
from armature.engine.turnstile import Turnstile
from armature.kernel.refusals import Unavailable
from armature.ports.links import Links

__all__ = ["Answers", "NeighbourRole", "answering"]

log = logging.getLogger("armature.links")

_AGAIN_SECONDS = 0.5


class NeighbourRole:
    """Answers other processes for the modules hosted here. `start` when the process is ready, `leave` before it goes."""

    def __init__(self, links: Links, host: RemoteHost, modules: Sequence[str]) -> None:
        self._links = links
        self._host = host
        self._modules = modules
        self._starting: asyncio.Task[None] | None = None
        self._trouble = "neighbour: other processes are not answered yet"

    async def start(self) -> None:
        """Be there for others; where a server carries the messages and is away, as soon as it is there."""
        try:
            await self._links.answer(self._modules, self._host.respond)
        except Unavailable as away:
            self._trouble = f"neighbour: {away}"
            self._starting = asyncio.create_task(self._later(), name="neighbour")
        else:
            self._trouble = ""

    def readiness(self) -> list[str]:
        """Return why other processes are not answered; empty when they are."""
        return [self._trouble] if self._trouble else []

    async def leave(self) -> None:
        """Take nothing new, finish what is in hand."""
        starting, self._starting = self._starting, None
        if starting is not None:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        await self._links.leave()

    async def _later(self) -> None:
        while self._trouble:
            await asyncio.sleep(_AGAIN_SECONDS)
            with suppress(Unavailable):
                await self._links.open()
                await self._links.answer(self._modules, self._host.respond)
                self._trouble = ""


class Answers(Struct, frozen=True):
    """What answering shares with the process."""

    seal: Seal
    repeatable: bool
    """Others can read what is sent, and send it again."""
    wall: Callable[[], float]
    positions: Positions
    guard: OverloadGuard
    log: DeliveryLog
    source: Source
    tracer: Tracer
    answering: Callable[[str], AbstractContextManager[None]] | None
    ready: Callable[[], Sequence[str]]


def answering(
    links: Links,
    modules: Sequence[str],
    pipelines: Sequence[OperationPipeline],
    feeds: Sequence[OperationPipeline],
    answers: Answers,
) -> NeighbourRole:
    """Compile what this process answers."""
    here = [answers.seal.place(module) for module in modules]
    host = HostParts(
        seal=answers.seal,
        positions=answers.positions,
        guard=answers.guard,
        log=answers.log,
        source=answers.source,
        tracer=answers.tracer,
        crashed=_crashed,
        answering=answers.answering,
        ready=answers.ready,
        turnstile=Turnstile(here, answers.wall) if answers.repeatable else None,
    )
    hosted = {one.operation.full_name: one for one in pipelines}
    followed = {one.operation.full_name: Feed(one) for one in feeds}
    return NeighbourRole(links, RemoteHost(hosted, followed, host), modules)


def _crashed(operation: str, request_id: str, error: BaseException) -> None:
    log.error("%s failed", operation, exc_info=error, extra={"operation": operation, "request_id": request_id})
