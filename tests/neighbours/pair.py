"""An asker and an answerer over gRPC on a real port, each with the certificate that a test gives it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from armature.adapters.grpc.certificates import Authority
from armature.adapters.grpc.links import GrpcLinks, Place
from armature.adapters.grpc.targets import Targets
from armature.adapters.grpc.tls import Tls, TlsFiles
from armature.ports.links import LinkError

__all__ = ["Answerer", "Clock", "Papers", "answering", "asking", "told", "until"]

SECONDS_MAX = 20.0


class Clock:
    """The time that a certificate is looked at, which a test may move."""

    def __init__(self) -> None:
        self.moved = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.moved


class Papers:
    """A folder with certificates of one authority."""

    def __init__(self, folder: Path, *processes: str) -> None:
        self.folder = folder
        self.authority = Authority(folder, folder.name)
        for process in processes:
            self.authority.issue(process)

    def of(self, process: str, *, trusting: "Papers | None" = None) -> TlsFiles:
        """Return the files of a process, which believes another authority if one is named."""
        ca = (trusting or self).folder / "ca.pem"
        return TlsFiles(self.folder / f"{process}.pem", self.folder / f"{process}.key", ca)


class Answerer:
    """Answers `counter` as process `app`, and remembers what it was asked."""

    def __init__(self, links: GrpcLinks) -> None:
        self.links = links
        self.had: list[bytes] = []
        self.go = asyncio.Event()
        self.go.set()

    @property
    def address(self) -> str:
        assert self.links.listening is not None
        return self.links.listening

    async def respond(self, message: bytes) -> bytes:
        self.had.append(message)
        await self.go.wait()
        return b"answer to " + message


@asynccontextmanager
async def answering(tls: Tls | None, at: str = "127.0.0.1:0") -> AsyncIterator[Answerer]:
    """An answerer, until the block ends."""
    answerer = Answerer(GrpcLinks(Place(at, {}, Targets(Path("/nowhere"), {}), tls)))
    await answerer.links.answer(["counter"], answerer.respond)
    try:
        yield answerer
    finally:
        await answerer.links.close()


@asynccontextmanager
async def asking(address: str, tls: Tls | None) -> AsyncIterator[GrpcLinks]:
    """Somebody who believes that process `app` answers for `counter` at an address."""
    links = GrpcLinks(Place(None, {"counter": ["app"]}, Targets(Path("/nowhere"), {"app": address}), tls))
    try:
        yield links
    finally:
        await links.close()


async def told(links: GrpcLinks) -> tuple[str, str]:
    """Ask something that must not be answered; return the kind of the refusal and its words."""
    try:
        await links.ask("counter", b"hello", SECONDS_MAX)
    except LinkError as error:
        return type(error).__name__, str(error)
    raise AssertionError("it was answered")


async def until(true: Callable[[], bool]) -> None:
    """Let the loop go on until something is so."""
    async with asyncio.timeout(SECONDS_MAX):
        while not true():  # noqa: ASYNC110  (nobody announces it)
            await asyncio.sleep(0.002)
