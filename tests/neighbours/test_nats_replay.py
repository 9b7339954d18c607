"""Somebody on the broker who records what processes say to each other, and says it again: to the same one, elsewhere, later."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import apsw
import nats as broker
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from armature.engine.names import link_subject
from armature.runtime.wire import Given
from armature.testing.servers import LocalNats
from tests.neighbours.harbour import LAYERS, Harbour, Person, build
from tests.neighbours.pair import SECONDS_MAX, until

pytestmark = pytest.mark.slow

OVER_NATS = {"neighbours": {"transport": "nats", "url": "env:ARMATURE_NATS_URL"}}
APART = {
    "piers": {"modules": ["pier"], "roles": ["neighbour"]},
    "app": {"modules": ["counter", "quota"], "roles": ["neighbour", "projector", "relay", "reactor", "sweeper"]},
}


class Clock:
    """The wall clock of a process, which a test sets."""

    def __init__(self) -> None:
        self.moved = 0.0

    def __call__(self) -> float:
        return time.time() + self.moved


class Eavesdropper:
    """Sees every message to modules and every answer, on a connection that knows no key; says again what it likes."""

    def __init__(self, client: Client, installation: str) -> None:
        self._client = client
        self._installation = installation
        self.asked: list[Msg] = []
        self.answered: list[bytes] = []

    async def listen(self) -> None:
        await self._client.subscribe(self.subject("*").replace("=2A", "*"), cb=self._asked)
        await self._client.subscribe("_INBOX.>", cb=self._answered)
        await self._client.flush()

    def subject(self, module: str) -> str:
        return link_subject(self._installation, module)

    async def question(self, word: str) -> Msg:
        """Return the last question with this word in it; nothing of it is hidden."""
        await until(lambda: any(word.encode() in one.data for one in self.asked))
        return [one for one in self.asked if word.encode() in one.data][-1]

    async def answer(self, word: str) -> bytes:
        """Return the last answer with this word in it."""
        await until(lambda: any(word.encode() in one for one in self.answered))
        return [one for one in self.answered if word.encode() in one][-1]

    async def again(self, message: Msg, module: str = "pier") -> bytes:
        """Send a question again, with a place for the answer of our own."""
        return (await self._client.request(self.subject(module), message.data, timeout=SECONDS_MAX)).data

    async def once_more(self, message: Msg) -> None:
        """Send a question again as it was, the place for its answer included."""
        await self._client.publish(message.subject, message.data, message.reply)

    async def answer_with(self, lie: bytes, word: str, module: str = "pier") -> None:
        """Answer in the place of the module whoever asks something with this word in it; it is no member of the group."""

        async def first(message: Msg) -> None:
            if word.encode() in message.data:
                await self._client.publish(message.reply, lie)

        await self._client.subscribe(self.subject(module), cb=first)
        await self._client.flush()

    async def _asked(self, message: Msg) -> None:
        self.asked.append(message)

    async def _answered(self, message: Msg) -> None:
        self.answered.append(message.data)


@pytest.fixture
def harbour(nats: LocalNats, tmp_path: Path) -> Harbour:
    return Harbour(build(tmp_path, environment=OVER_NATS), {"ARMATURE_NATS_URL": nats.url})


@asynccontextmanager
async def overheard(harbour: Harbour, url: str) -> AsyncIterator[Eavesdropper]:
    client = await broker.connect(url)
    eavesdropper = Eavesdropper(client, harbour.model.installation)
    await eavesdropper.listen()
    yield eavesdropper
    await client.close()


def stored(harbour: Harbour) -> int:
    """Count the crates in the database file, behind everybody's back."""
    db = apsw.Connection(str(harbour.model.database_path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return len(db.execute("select id from pier_crates").fetchall())
    finally:
        db.close()


def outcomes(harbour: Harbour) -> list[bytes]:
    """Return what is kept for keys."""
    db = apsw.Connection(str(harbour.model.database_path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return [row[0] for row in db.execute("select outcome from armature_keys").fetchall()]
    finally:
        db.close()


async def load(edge: Person, note: str, **headers: str) -> int:
    answer = await edge.post(
        "/v1/crates", json={"note": note}, headers={name.replace("_", "-"): one for name, one in headers.items()}
    )
    return answer.status


async def leave(member: Person) -> None:
    assert member.system.core.links is not None
    await member.system.core.links.leave()


async def test_a_command_without_a_key_that_is_sent_again_does_nothing(
    harbour: Harbour, nats: LocalNats, caplog: pytest.LogCaptureFixture
) -> None:
    async with harbour, overheard(harbour, nats.url) as eavesdropper:
        await harbour.open("app")
        edge = await harbour.open("edge")
        assert await load(edge, "tea") == 201
        refusals = [await eavesdropper.again(await eavesdropper.question("pier.load")) for _ in range(2)]
        await eavesdropper.once_more(await eavesdropper.question("pier.load"))
        await until(lambda: sum(b"link:" in one for one in eavesdropper.answered) == 3 or stored(harbour) > 3)
        assert stored(harbour) == 1
        assert all(b"link:repeated" in one for one in refusals)
        told = [record for record in caplog.records if "link:repeated" in record.getMessage()]
        assert [record.name for record in told] == ["armature.links"] * 3


async def test_the_answer_to_a_query_is_not_given_twice(harbour: Harbour, nats: LocalNats) -> None:
    async with harbour, overheard(harbour, nats.url) as eavesdropper:
        await harbour.open("app")
        edge = await harbour.open("edge")
        assert (await edge.get("/v1/watch")).json() == {"count": 0}
        assert b"link:repeated" in await eavesdropper.again(await eavesdropper.question("pier.watch"))


@pytest.mark.parametrize("keyed", [False, True], ids=["without-a-key", "with-a-key"])
async def test_another_member_of_the_group_does_not_do_what_was_done(harbour: Harbour, nats: LocalNats, keyed: bool) -> None:
    async with harbour, overheard(harbour, nats.url) as eavesdropper:
        first = await harbour.open("app")
        edge = await harbour.open("edge")
        assert await load(edge, "tea", **({"idempotency_key": "k1"} if keyed else {})) == 201
        await harbour.open("app")
        await leave(first)
        again = await eavesdropper.again(await eavesdropper.question("pier.load"))
        assert stored(harbour) == 1
        if keyed:
            assert b'"note":"tea"' in again
        else:
            assert b"link:repeated" in again and b"by another process of the group" in again
            assert outcomes(harbour) == [b""]


async def test_on_postgres_too_another_member_does_not_do_what_was_done(
    nats: LocalNats, postgres_url: str, tmp_path: Path
) -> None:
    at = {"adapter": "nats", "url": "env:ARMATURE_NATS_URL"}
    database = {"adapter": "postgres", "url": "env:ARMATURE_POSTGRES_URL"}
    environment = {**OVER_NATS, "database": database, "signal": at, "bus": at}
    app = {"modules": "*", "roles": [*LAYERS["app"]["roles"], "sequencer"]}
    root = build(tmp_path, environment=environment, processes={"app": app})
    harbour = Harbour(root, {"ARMATURE_NATS_URL": nats.url, "ARMATURE_POSTGRES_URL": postgres_url})
    async with harbour, overheard(harbour, nats.url) as eavesdropper:
        first = await harbour.open("app")
        edge = await harbour.open("edge")
        assert await load(edge, "tea") == 201
        await harbour.open("app")
        await leave(first)
        again = await eavesdropper.again(await eavesdropper.question("pier.load"))
        assert (await edge.get("/v1/watch")).json() == {"count": 1}
        assert b"link:repeated" in again


async def test_a_key_is_kept_for_as_long_as_its_message_is_taken(nats: LocalNats, tmp_path: Path) -> None:
    forgetful = {"idempotency": {"ttl_seconds": 0.001}}
    harbour = Harbour(build(tmp_path, environment=OVER_NATS, policies=forgetful), {"ARMATURE_NATS_URL": nats.url})
    async with harbour, overheard(harbour, nats.url) as eavesdropper:
        first = await harbour.open("app")
        edge = await harbour.open("edge")
        assert await load(edge, "tea", idempotency_key="k1") == 201
        await harbour.open("app")
        await leave(first)
        assert b'"note":"tea"' in await eavesdropper.again(await eavesdropper.question("pier.load"))
        assert stored(harbour) == 1


async def test_what_comes_from_long_ago_is_not_taken_by_a_process_that_has_never_seen_it(
    harbour: Harbour, nats: LocalNats
) -> None:
    async with harbour, overheard(harbour, nats.url) as eavesdropper:
        first = await harbour.open("app")
        edge = await harbour.open("edge")
        assert await load(edge, "too much") == 409
        later = Clock()
        later.moved = 10 + 30 + 1
        second = await harbour.open("app", given=Given(wall=later))
        await leave(first)
        refusal = await eavesdropper.again(await eavesdropper.question("pier.load"))
        assert b"link:stale" in refusal and b"by its sender's clock it was sent 41 s ago" in refusal
        later.moved = -60
        assert b"it is sent in 60 s; set the clocks" in await eavesdropper.again(await eavesdropper.question("pier.load"))
        later.moved = 20
        assert b"pier:no_room" in await eavesdropper.again(await eavesdropper.question("pier.load"))
        assert second.system.answering is not None


async def test_clocks_that_differ_by_too_much_are_told_to_the_caller(harbour: Harbour, nats: LocalNats) -> None:
    behind = Clock()
    behind.moved = -29
    async with harbour:
        await harbour.open("app")
        edge = await harbour.open("edge", given=Given(wall=behind))
        assert (await edge.get("/v1/watch")).status == 200
        behind.moved = -45
        late = await edge.get("/v1/watch")
        assert (late.status, late.json()["code"]) == (503, "link:stale")
        assert "the clocks of the machines differ" in late.json()["detail"]


async def test_a_question_to_one_module_is_not_answered_by_the_process_of_another(nats: LocalNats, tmp_path: Path) -> None:
    harbour = Harbour(build(tmp_path, environment=OVER_NATS, processes=APART), {"ARMATURE_NATS_URL": nats.url})
    async with harbour, overheard(harbour, nats.url) as eavesdropper:
        edge = await harbour.open("edge")
        await harbour.open("app")
        assert edge.system.core.neighbours is not None
        await edge.system.core.neighbours.log_of("counter").after(0, 5)
        await harbour.open("piers")
        refusal = await eavesdropper.again(await eavesdropper.question("limit"), "pier")
        assert b"link:misled" in refusal and b"/counter', which does not live here" in refusal


async def test_an_old_answer_is_not_taken_for_the_answer_to_a_new_question(harbour: Harbour, nats: LocalNats) -> None:
    async with harbour, overheard(harbour, nats.url) as eavesdropper:
        app = await harbour.open("app")
        edge = await harbour.open("edge")
        assert (await edge.get("/v1/watch")).json() == {"count": 0}
        old = await eavesdropper.answer('{"count":0}')
        assert await load(edge, "tea") == 201
        done = await eavesdropper.answer('"note":"tea"')
        await leave(app)
        await eavesdropper.answer_with(old, "pier.watch")
        await eavesdropper.answer_with(done, "pier.load")
        told = await edge.get("/v1/watch")
        assert (told.status, told.json().get("code")) == (503, "system:unavailable")
        assert "given to another question" in told.json()["detail"]
        command = await edge.post("/v1/crates", json={"note": "salt"})
        assert (command.status, command.json().get("code")) == (503, "commit:unknown")
        assert stored(harbour) == 1


async def test_a_question_is_not_taken_for_its_own_answer(harbour: Harbour, nats: LocalNats) -> None:
    async with harbour, overheard(harbour, nats.url) as eavesdropper:
        app = await harbour.open("app")
        edge = await harbour.open("edge")
        neighbours = edge.system.core.neighbours
        assert neighbours is not None
        await leave(app)

        async def mirror(message: Msg) -> None:
            await eavesdropper._client.publish(message.reply, message.data)

        await eavesdropper._client.subscribe(eavesdropper.subject("pier"), cb=mirror)
        await eavesdropper._client.flush()
        with pytest.raises(Exception, match="not sealed with the same key"):
            await neighbours.probe("pier")


async def test_a_caller_whose_message_somebody_brought_first_is_told_that_nobody_knows(harbour: Harbour, nats: LocalNats) -> None:
    async with harbour, overheard(harbour, nats.url) as eavesdropper:
        app = await harbour.open("app")
        edge = await harbour.open("edge")
        links = app.system.core.links
        assert links is not None and app.system.answering is not None
        await leave(app)
        respond = app.system.answering._host.respond

        async def twice(message: bytes) -> bytes:
            """Stands before the process, as somebody does who is faster than its broker."""
            await respond(message)
            return await respond(message)

        await links.answer(["pier"], twice)
        command = await edge.post("/v1/crates", json={"note": "tea"})
        assert (command.status, command.json()["code"]) == (503, "commit:unknown")
        assert stored(harbour) == 1
        query = await edge.get("/v1/watch")
        assert (query.status, query.json()["code"]) == (503, "system:unavailable")
        assert "it was taken before" in query.json()["detail"]
        assert eavesdropper.asked
