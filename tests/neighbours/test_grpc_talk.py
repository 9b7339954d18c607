"""Conversations: many messages over one stream of gRPC. The laws of links hold in them too, and their end is told truthfully."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from grpc import aio

from armature.adapters.grpc.bundles import GREETING
from armature.adapters.grpc.hearing import Hearing
from armature.adapters.grpc.links import GrpcLinks, Place
from armature.adapters.grpc.talk import Talk
from armature.adapters.grpc.targets import Targets, socket_of
from armature.conformance.links import LinkLaws
from armature.ports.links import LinkError, LinkLate, LinkLost, LinkRefused, Links, NotSent, Respond
from tests.neighbours.pair import SECONDS_MAX, Answerer, answering, asking, until

HELLO = b"hello there"
MANY = 2_500
SERVICE = "armature.links.v1.Links"


class Talking(GrpcLinks):
    """Asks for itself until a conversation is under way, and answers such questions before anybody looks."""

    async def answer(self, modules: Collection[str], respond: Respond) -> None:
        async def after(message: bytes) -> bytes:
            return b"" if message == HELLO else await respond(message)

        await super().answer(modules, after)

    async def ask(self, module: str, message: bytes, seconds: float) -> bytes:
        if not self.talking:
            with suppress(LinkError):
                await super().ask(module, HELLO, seconds)
                async with asyncio.timeout(SECONDS_MAX):
                    while not self.talking:  # noqa: ASYNC110  (nobody announces it)
                        await asyncio.sleep(0.001)
        return await super().ask(module, message, seconds)


class Talks(LinkLaws):
    """The laws as `TestGrpcLinks` has them, but for what is asked first, and alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self, process: str) -> Links:
        names = {"a1": "alpha-process", "a2": "alpha-process", "b": "beta-process"}
        hosts = {"alpha": ["alpha-process"], "beta": ["beta-process"]}
        listen = f"unix:{socket_of(self.folder, names[process])}" if process in names else None
        return Talking(Place(listen, hosts, Targets(self.folder, {}), message_bytes_max=self.bytes_max))


@pytest.mark.parametrize("law", [name for name in dir(LinkLaws) if name.startswith("test_law")])
def test_the_laws_of_links_hold_in_conversations(law: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    laws = Talks(tmp_path_factory.mktemp("s"))
    with asyncio.Runner() as laws.runner:
        getattr(laws, law)()


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[Answerer, GrpcLinks]]:
    """An answerer and an asker who have a conversation."""
    async with answering(None) as app, asking(app.address, None) as edge:
        await begun(edge)
        app.had.clear()
        yield app, edge


async def begun(edge: GrpcLinks) -> None:
    await edge.ask("counter", HELLO, SECONDS_MAX)
    await until(lambda: edge.talking == 1)


async def test_of_a_burst_in_a_conversation_none_is_thrown_away() -> None:
    async with talking() as (app, edge):
        app.go.clear()
        async with asyncio.TaskGroup() as calls:
            asked = [calls.create_task(edge.ask("counter", b"%d" % n, SECONDS_MAX * 2)) for n in range(MANY)]
            await until(lambda: len(app.had) == MANY)
            app.go.set()
        assert [one.result() for one in asked] == [b"answer to %d" % n for n in range(MANY)]


async def test_a_caller_who_leaves_a_conversation_ends_his_work_and_nobody_elses() -> None:
    ended: list[bytes] = []

    async def slow(message: bytes) -> bytes:
        if message == HELLO:
            return b""
        began.add(message)
        try:
            await go.wait()
        except asyncio.CancelledError:
            ended.append(message)
            raise
        return b"done"

    began: set[bytes] = set()
    go = asyncio.Event()
    app = GrpcLinks(Place("127.0.0.1:0", {}, Targets(Path("/nowhere"), {})))
    await app.answer(["counter"], slow)
    async with asking(app.listening or "", None) as edge:
        await begun(edge)
        one, other = (asyncio.create_task(edge.ask("counter", name, SECONDS_MAX)) for name in (b"one", b"other"))
        await until(lambda: len(began) == 2)
        one.cancel()
        await asyncio.gather(one, return_exceptions=True)
        assert one.cancelled()
        await until(lambda: ended == [b"one"])
        with pytest.raises(LinkLate):
            await edge.ask("counter", b"third", 0.05)
        await until(lambda: ended == [b"one", b"third"])
        go.set()
        assert await other == b"done"
    await app.close()


async def test_what_nobody_wants_any_more_is_not_sent() -> None:
    async with talking() as (app, edge):
        call = asyncio.create_task(edge.ask("counter", b"unwanted", SECONDS_MAX))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await edge.ask("counter", b"wanted", SECONDS_MAX)
        assert app.had == [b"wanted"]


async def test_a_message_in_a_conversation_that_is_closed_is_lost() -> None:
    async with talking() as (app, edge):
        app.go.clear()
        call = asyncio.create_task(edge.ask("counter", b"hello", SECONDS_MAX))
        await until(lambda: app.had == [b"hello"])
        await edge.close()
        with pytest.raises(LinkLost, match="closed while it was asked"):
            await call


async def test_a_bug_where_it_is_answered_is_a_loss_and_the_conversation_goes_on() -> None:
    async def respond(message: bytes) -> bytes:
        if message == b"bug":
            raise RuntimeError("a bug")
        return message

    app = GrpcLinks(Place("127.0.0.1:0", {}, Targets(Path("/nowhere"), {})))
    await app.answer(["counter"], respond)
    async with asking(app.listening or "", None) as edge:
        await begun(edge)
        with pytest.raises(LinkLost, match="RuntimeError"):
            await edge.ask("counter", b"bug", SECONDS_MAX)
        assert await edge.ask("counter", HELLO, SECONDS_MAX) == HELLO
        assert edge.talking == 1
    await app.close()


async def test_a_long_message_goes_beside_the_conversation() -> None:
    async with talking() as (app, edge):
        long = b"x" * 1_000_000
        assert await edge.ask("counter", long, SECONDS_MAX) == b"answer to " + long
        assert app.had == [long]
        assert edge.talking == 1


async def test_a_release_that_knows_no_conversation_is_asked_message_by_message() -> None:
    async with by_hand(None) as there, asking(there.address, None) as edge:
        for _ in range(20):
            assert await edge.ask("counter", HELLO, SECONDS_MAX) == b"one by one"
        assert edge.talking == 0
        assert there.unary == 20


async def test_who_ends_a_conversation_in_order_has_not_begun_what_he_did_not_answer() -> None:
    async def in_order(context: Any) -> None:
        await context.read()

    assert isinstance(await _ending(in_order), NotSent)


async def test_what_was_sent_in_a_conversation_that_breaks_may_have_been_begun() -> None:
    async def broken(context: Any) -> None:
        await context.read()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "connection refused")

    error = await _ending(broken)
    assert isinstance(error, LinkLost)


async def test_a_bug_where_a_message_is_written_keeps_nobody_waiting() -> None:
    async with talking() as (app, edge):
        unwritable: Any = range(5)  # it has a length, and that is all
        calls = [edge.ask("counter", one, 5.0) for one in (unwritable, b"beside it")]
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert [isinstance(one, NotSent) for one in told] == [True, True], told
        assert app.had == []
        assert await edge.ask("counter", b"after it", SECONDS_MAX) == b"answer to after it"


class Unwilling:
    """gRPC's side of a conversation whose end is met by a write before anything is read of it."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._greeted = False
        self._ended = asyncio.Event()
        self._code = grpc.StatusCode.UNKNOWN
        self.written = 0

    async def write(self, bundle: bytes) -> None:
        self.written += 1
        raise self._error

    async def read(self) -> Any:
        if not self._greeted:
            self._greeted = True
            return GREETING
        await self._ended.wait()
        return aio.EOF

    async def code(self) -> grpc.StatusCode:
        return self._code

    def end(self, code: grpc.StatusCode) -> None:
        """End so; the first end counts."""
        if not self._ended.is_set():
            self._code = code
            self._ended.set()

    def cancel(self) -> None:
        self.end(grpc.StatusCode.CANCELLED)


FAILED_WRITES: dict[str, Callable[[], Exception]] = {
    "finished": lambda: asyncio.InvalidStateError("RPC already finished."),
    "closed": lambda: aio.UsageError("Channel is closed."),
    "failed": lambda: aio.AioRpcError(grpc.StatusCode.INTERNAL, aio.Metadata(), aio.Metadata(), "failed to write"),
}


@pytest.mark.parametrize("why", FAILED_WRITES)
async def test_when_a_write_fails_nothing_more_is_asked_and_what_is_told_is_how_the_stream_ended(why: str) -> None:
    call: Any = Unwilling(FAILED_WRITES[why]())
    codes: list[grpc.StatusCode] = []
    talk = Talk(call, "app", codes.append)
    await until(lambda: talk.open)
    first = asyncio.create_task(talk.ask("counter", b"hello", SECONDS_MAX))
    await until(lambda: call.written == 1)
    await asyncio.sleep(0)
    assert not talk.open
    call.end(grpc.StatusCode.OK)
    (told,) = await asyncio.gather(first, return_exceptions=True)
    assert "process 'app' is leaving" in str(told)
    assert (codes, call.written) == ([grpc.StatusCode.OK], 1)


async def test_who_must_end_with_messages_in_hand_says_so() -> None:
    async with talking() as (app, edge):
        app.go.clear()
        call = asyncio.create_task(edge.ask("counter", b"hello", SECONDS_MAX))
        await until(lambda: app.had == [b"hello"])
        await app.links.close()
        with pytest.raises(LinkLost):
            await call


@pytest.mark.parametrize("second", [b"second", b"x" * 100_000], ids=["in-a-conversation", "beside-it"])
async def test_who_leaves_says_so_to_everybody_and_finishes_what_is_in_hand(second: bytes) -> None:
    async with talking() as (app, edge):
        app.go.clear()
        call = asyncio.create_task(edge.ask("counter", b"first", SECONDS_MAX))
        await until(lambda: app.had == [b"first"])
        leaving = asyncio.create_task(app.links.leave())
        await asyncio.sleep(0)
        with pytest.raises(NotSent, match="is leaving"):
            await edge.ask("counter", second, 0.5)
        app.go.set()
        assert await call == b"answer to first"
        await leaving
        await until(lambda: edge.talking == 0)
        assert app.had == [b"first"]


async def test_what_comes_as_a_conversation_ends_in_order_is_not_begun() -> None:
    begun_there: list[bytes] = []

    async def respond(message: bytes) -> bytes:
        begun_there.append(message)
        return message

    class Context:
        """gRPC's side of a conversation whose asker writes in the very moment in which it is ended."""

        said: list[bytes] = []  # noqa: RUF012

        async def write(self, bundle: bytes) -> None:
            self.said.append(bundle)

        async def read(self) -> bytes:
            if len(self.said) > 1:
                await asyncio.Event().wait()
            self.said.append(b"read")
            hearing.end()
            await asyncio.sleep(0)  # in this turn the end is seen, and in the next one both go on
            return msgspec.msgpack.encode([(1, b"too late")])

    context = Context()
    hearing = Hearing(context, respond, lambda: False, 100)
    await hearing.run()
    await asyncio.sleep(0)
    assert begun_there == []
    assert context.said == [GREETING, b"read"]


async def test_too_large_an_answer_in_a_conversation_is_refused() -> None:
    async def grown(message: bytes) -> bytes:
        return b"x" * (4_194_305 if message == b"grow" else 1)

    app = GrpcLinks(Place("127.0.0.1:0", {}, Targets(Path("/nowhere"), {})))
    await app.answer(["counter"], grown)
    async with asking(app.listening or "", None) as edge:
        await begun(edge)
        with pytest.raises(LinkRefused, match="4194305 bytes"):
            await edge.ask("counter", b"grow", SECONDS_MAX)
        assert edge.talking == 1
    await app.close()


class ByHand:
    """Answers each message by itself, and holds a conversation as a test says, if at all."""

    def __init__(self) -> None:
        self.unary = 0
        self.address = ""

    async def ask(self, message: bytes, context: Any) -> bytes:
        self.unary += 1
        return b"one by one"


@asynccontextmanager
async def by_hand(talk: Callable[[Any], Awaitable[None]] | None) -> AsyncIterator[ByHand]:
    async def greeted(_: object, context: Any) -> None:
        assert talk is not None
        await context.write(GREETING)
        await talk(context)

    there = ByHand()
    handlers: dict[str, Any] = {"Ask": grpc.unary_unary_rpc_method_handler(there.ask)}
    if talk is not None:
        handlers["Talk"] = grpc.stream_stream_rpc_method_handler(greeted)
    server = aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    there.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield there
    await server.stop(0)


async def _ending(talk: Callable[[Any], Awaitable[None]]) -> LinkError:
    """Return what becomes of a message when a conversation ends so."""
    async with by_hand(talk) as there, asking(there.address, None) as edge:
        await begun(edge)
        try:
            await edge.ask("counter", b"hello", SECONDS_MAX)
        except LinkError as error:
            return error
    raise AssertionError("it was answered")
