"""A made Python client, blocking and not, against a real server behind a network that breaks: every operation, every refusal
that a healthy server gives, both styles of pages, a feed over cut connections, and commands whose answers are lost."""

import asyncio
import threading
from collections.abc import Iterator
from itertools import count
from types import ModuleType
from typing import Any
from uuid import UUID

import pytest
from msgspec import structs

from armature.testing.faults import Blackhole, LoseAnswers, Pass, Reset, TcpProxy
from armature.testing.server import RunningServer
from modules.counter.contract import Counters
from tests.clients.hands import KINDS, Hand, do, walk
from tests.clients.make import ROOT, imported, python_client

pytestmark = pytest.mark.slow

NOBODY = UUID(int=7)
_tenants = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """One server for all stories; each has a tenant of its own."""
    with RunningServer(ROOT) as running:
        yield running


@pytest.fixture
def who() -> dict[str, str]:
    """The headers of a tenant that nobody has used."""
    return {"x-tenant-id": f"story-{next(_tenants)}"}


async def test_every_operation(hand: Hand, server: RunningServer, who: dict[str, str]) -> None:
    async with hand:
        counters = hand.client(server.url, headers=who).counter
        one = await do(counters.create(name="one", note="first"))
        two = await do(counters.create(name="two"))
        assert (one.name, one.note, two.note, two.value) == ("one", "first", None, 0)
        assert (await do(counters.increment(counter_id=one.id, by=5))).value == 5
        assert (await do(counters.decrement(counter_id=one.id))).value == 4
        assert (await do(counters.transfer(counter_id=one.id, to=two.id, by=3))).value == 1
        edited = await do(counters.edit(counter_id=one.id, note=None))
        assert (edited.name, edited.note) == ("one", None)
        assert (await do(counters.edit(counter_id=one.id, name="uno"))).name == "uno"
        assert (await do(counters.reset(counter_id=one.id))).value == 0
        # Read models lag; the client's position makes these queries wait for its own writes.
        totals = await do(counters.totals())
        assert (totals.counters, totals.value, totals.changes) == (2, 3, 9)
        assert (await do(counters.get(counter_id=two.id))).value == 3
        lines = [line async for line in walk(counters.history_each(counter_id=one.id, limit=2))]
        verbs = ["create", "increment", "decrement", "transfer", "edit", "edit", "reset"]
        assert [(line.version, line.operation) for line in lines] == list(enumerate(verbs, 1))
        assert (await do(counters.history(counter_id=one.id, limit=1))).items == lines[:1]
        assert await do(counters.delete(counter_id=one.id)) is None
        assert [one.name for one in (await do(counters.list())).items] == ["two"]


async def test_both_styles_of_pages(hand: Hand, server: RunningServer, who: dict[str, str]) -> None:
    async with hand:
        counters = hand.client(server.url, headers=who).counter
        for number in range(7):
            made = await do(counters.create(name=f"c{number}"))
            await do(counters.increment(counter_id=made.id, by=10 - number))
        assert [one.name async for one in walk(counters.list_each(limit=3))] == [f"c{number}" for number in range(7)]
        pages = [page async for page in walk(counters.list_pages(size=3, sort="value", order="asc"))]
        assert [[one.name for one in page.items] for page in pages] == [["c6", "c5", "c4"], ["c3", "c2", "c1"], ["c0"]]
        assert {(page.total, page.size) for page in pages} == {(7, 3)}
        assert [page.page async for page in walk(counters.list_pages(first=2, size=3))] == [2]


async def test_every_refusal_that_a_healthy_server_gives(hand: Hand, server: RunningServer, who: dict[str, str]) -> None:
    made, refusals, call = hand.package.counter, hand.package.refusals, hand.package.Call
    async with hand:
        counters = hand.client(server.url, headers=who).counter
        one = await do(counters.create(name="one"))
        two = await do(counters.create(name="two"))
        await _refused(made.NameTaken, counters.create, name="one")
        await _refused(made.SameCounter, counters.transfer, counter_id=one.id, to=one.id, by=1)
        assert (await _refused(made.CounterNotFound, counters.get, counter_id=NOBODY)).counter_id == NOBODY
        poor = await _refused(made.Insufficient, counters.transfer, counter_id=one.id, to=two.id, by=1)
        assert (poor.counter_id, poor.value) == (one.id, 0)
        wrong = await _refused(refusals.Invalid, counters.increment, counter_id=one.id, by=0)
        assert [error.path for error in wrong.errors] == ["by"]
        await do(counters.increment(counter_id=one.id, call=call(key="mine")))
        await _refused(refusals.KeyReused, counters.increment, counter_id=one.id, by=2, call=call(key="mine"))
        nobody = hand.client(server.url, headers={**who, "x-actor": "none"}).counter
        await _refused(refusals.Unauthenticated, nobody.get, counter_id=one.id)
        reader = hand.client(server.url, headers={**who, "x-actor": "ann", "x-roles": "counter.reader"}).counter
        assert (await _refused(refusals.Forbidden, reader.reset, counter_id=one.id)).permission == "counter:write"
        hasty = hand.client(server.url, headers=who, attempts_max=1).counter
        for _ in range(10):
            await do(hasty.reset(counter_id=two.id))
        with pytest.raises(refusals.RateLimited) as limited:
            # A rate lets one more in whenever its time has come, also while the ones before were under way.
            for _ in range(100):
                await do(hasty.reset(counter_id=two.id))
        assert limited.value.rate == "10/minute" and limited.value.retry_after_seconds > 0


async def _refused(kind: type, operation: Any, **arguments: Any) -> Any:
    with pytest.raises(kind) as caught:
        await do(operation(**arguments))
    assert type(caught.value) is kind
    return caught.value


async def test_a_version_guards_a_change_and_spares_a_body(hand: Hand, server: RunningServer, who: dict[str, str]) -> None:
    async with hand:
        counters = hand.client(server.url, headers=who).counter
        one = await do(counters.create(name="one"))
        assert await do(counters.get_if_changed(counter_id=one.id, if_none_match=one.version)) is None
        newer = await do(counters.increment(counter_id=one.id, if_match=one.version))
        assert await do(counters.get_if_changed(counter_id=one.id, if_none_match=one.version)) == newer
        with pytest.raises(hand.package.refusals.PreconditionFailed) as caught:
            await do(counters.increment(counter_id=one.id, if_match=one.version))
        # What a refusal says of the newest version can be sent back as it is.
        assert (await do(counters.increment(counter_id=one.id, if_match=caught.value.current))).value == 2


async def test_a_command_whose_answer_is_lost_happens_once(hand: Hand, server: RunningServer, who: dict[str, str]) -> None:
    told: list[Any] = []
    async with hand:
        one = await do(hand.client(server.url, headers=who).counter.create(name="one"))
        with TcpProxy(_port(server)) as proxy:
            counters = hand.client(f"http://127.0.0.1:{proxy.port}", headers=who).counter
            lost = proxy.when(b"/increment", LoseAnswers())
            call = hand.package.Call(told=told.append)
            after = await do(counters.increment(counter_id=one.id, by=5, call=call))
            assert lost.fired == 1 and proxy.counts["LoseAnswers"] >= 1
        assert (after.value, after.version, [answered.replayed for answered in told]) == (5, 2, [True])
        assert (await do(hand.client(server.url, headers=who).counter.get(counter_id=one.id))).value == 5


async def test_a_deadline_in_a_dead_network_and_the_same_key_afterwards(
    hand: Hand, server: RunningServer, who: dict[str, str]
) -> None:
    async with hand:
        one = await do(hand.client(server.url, headers=who).counter.create(name="one"))
        with TcpProxy(_port(server)) as proxy:
            counters = hand.client(f"http://127.0.0.1:{proxy.port}", headers=who).counter
            # What was sent arrives late: the command does happen, and nobody could know.
            proxy.switch(Blackhole())
            with pytest.raises(hand.package.TooLate) as caught:
                await do(counters.increment(counter_id=one.id, call=hand.package.Call(deadline_seconds=0.3)))
            assert proxy.counts["Blackhole"] >= 1
            proxy.switch(Pass())
            again = hand.package.Call(key=caught.value.key)
            assert (await do(counters.increment(counter_id=one.id, call=again))).value == 1
        assert (await do(hand.client(server.url, headers=who).counter.get(counter_id=one.id))).value == 1


async def test_a_feed_goes_on_where_it_was_cut(package: ModuleType, server: RunningServer, who: dict[str, str]) -> None:
    for kind in KINDS:
        async with Hand(package, kind) as hand:
            with package.Client(server.url, package.Options(headers=who)) as writer, TcpProxy(_port(server)) as proxy:
                one = writer.counter.create(name=f"followed by {kind}")
                cut = proxy.when(b"event: counter.changed", Reset(), side="server", nth=3)
                feed = walk(hand.client(f"http://127.0.0.1:{proxy.port}", headers=who).counter.events(counter_id=one.id))
                with _Steps(writer, one.id):
                    seen = [await anext(feed) for _ in range(8)]
                await feed.aclose()
                assert cut.fired == 1 and proxy.counts["connections"] == 2
            versions = [happened.event.version for happened in seen]
            assert versions == list(range(versions[0], versions[0] + 8))
            assert len({happened.id for happened in seen}) == 8


class _Steps:
    """Steps of a counter, one after another while somebody follows it: a stream begins when it is open, and only who comes back
    to where it was cut misses none."""

    def __init__(self, writer: Any, counter_id: UUID) -> None:
        self._writer, self._counter_id = writer, counter_id
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        for _ in range(20_000):
            if self._ended.is_set():
                return
            self._writer.counter.increment(counter_id=self._counter_id)


CARELESS = {
    "a key for each attempt": (
        "return sent.headers if text is None",
        "sent.headers.update({'idempotency-key': str(__import__('time').perf_counter_ns())} if sent.key else {})\n"
        "        return sent.headers if text is None",
        test_a_command_whose_answer_is_lost_happens_once,
    ),
    "a feed that begins anew": (
        '"last-event-id": last} if last else headers',
        '"last-event-id": last} if False else headers',
        test_a_feed_goes_on_where_it_was_cut,
    ),
}
"""Bugs that a client might have, each with the story that tells of it."""


@pytest.mark.parametrize("name", CARELESS)
async def test_a_careless_client_is_found_out(
    name: str, server: RunningServer, who: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    right, wrong, story = CARELESS[name]
    called = f"careless_client_{list(CARELESS).index(name)}"
    made = python_client([Counters], called)
    files = {path: text.replace(right, wrong) for path, text in made.files.items()}
    assert sum(files[path] != text for path, text in made.files.items()) == 2
    package = imported(structs.replace(made, files=files), tmp_path_factory.mktemp("careless"), called)
    with pytest.raises(AssertionError, match=r"\d"):
        await (story(package, server, who) if "feed" in name else story(Hand(package, "AsyncClient"), server, who))


async def test_many_at_once_through_one_asynchronous_client(
    package: ModuleType, server: RunningServer, who: dict[str, str]
) -> None:
    async with package.AsyncClient(server.url, package.Options(headers=who)) as client:
        one = await client.counter.create(name="one")
        await asyncio.gather(*(client.counter.increment(counter_id=one.id) for _ in range(50)))
        assert (await client.counter.get(counter_id=one.id)).value == 50


def _port(server: RunningServer) -> int:
    return int(server.url.rpartition(":")[2])
