"""The observer asks what a process depends on, says what is away, and sees it return."""

from collections.abc import Awaitable, Callable

import pytest

from armature.kernel.refusals import Unavailable
from armature.runtime.observer import Dependency, Observer
from tests.edges.wire import until


class Server:
    """Answers, or refuses, as a test says; counts how often it was asked."""

    def __init__(self) -> None:
        self.away = False
        self.asked = 0

    async def probe(self) -> None:
        self.asked += 1
        if self.away:
            raise Unavailable(what="the cable is out")


async def watching(
    server: Server, look: Callable[[Observer, list[str]], Awaitable[None]], *, every: float = 600.0, critical: bool = True
) -> None:
    lost: list[str] = []
    observer = Observer([Dependency("database", server.probe, critical)], every, lost.append)
    observer.start()
    try:
        await until(lambda: server.asked == 1)
        await look(observer, lost)
    finally:
        await observer.stop()


async def test_a_failed_call_is_looked_into_at_once_and_a_return_is_seen() -> None:
    server = Server()

    async def look(observer: Observer, lost: list[str]) -> None:
        assert observer.readiness() == [] and observer.states() == {("database",): 1.0}
        server.away = True
        observer.doubt()
        await until(lambda: bool(observer.readiness()))
        assert "the cable is out" in observer.readiness()[0]
        assert observer.states() == {("database",): 0.0}
        server.away = False
        await until(lambda: not observer.readiness())  # nobody has to doubt for that
        assert len(lost) == 1

    await watching(server, look)


@pytest.mark.parametrize(
    ("name", "what", "said"),
    [
        ("module counter", "module 'counter': nobody answers for it", "nobody answers for it"),
        ("database", "database: the server does not answer", "the server does not answer"),
        ("bus", "redis: not connected", "redis: not connected"),
        ("bus", "the cable is out", "the cable is out"),
    ],
)
async def test_whose_trouble_it_is_is_said_once(caplog: pytest.LogCaptureFixture, name: str, what: str, said: str) -> None:
    async def away() -> None:
        raise Unavailable(what=what)

    observer = Observer([Dependency(name, away)], 600.0)
    observer.start()
    await until(lambda: bool(caplog.messages))
    assert (caplog.messages, observer.readiness()) == ([f"{name} is away: {said}"], [f"{name}: {said}"])
    await observer.stop()


async def test_nobody_is_sent_to_a_process_that_has_not_asked_yet() -> None:
    server = Server()
    observer = Observer([Dependency("database", server.probe), Dependency("cache", server.probe, critical=False)], 600.0)
    assert observer.readiness() == ["database: it was not asked yet"]
    observer.start()
    await until(lambda: not observer.readiness())
    assert server.asked >= 1
    await observer.stop()


async def test_without_a_failed_call_it_is_asked_in_its_rhythm() -> None:
    server = Server()

    async def look(observer: Observer, lost: list[str]) -> None:
        server.away = True
        await until(lambda: bool(observer.readiness()))

    await watching(server, look, every=0.01)


async def test_what_a_process_can_do_without_leaves_it_ready() -> None:
    server = Server()
    server.away = True

    async def look(observer: Observer, lost: list[str]) -> None:
        await until(lambda: observer.states() == {("database",): 0.0})
        assert observer.readiness() == [] and lost == []

    await watching(server, look, critical=False)
