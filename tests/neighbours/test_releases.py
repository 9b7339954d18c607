"""Neighbours of other releases, and those who are none: what they say is understood, or refused in words."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from armature.engine.remote_message import Ask, Seal, Told
from armature.kernel.failure import Kind
from armature.runtime.secrets import resolve
from tests.neighbours.harbour import Harbour, Person, build

KEYS = {"secrets": {"keys.cursor": "env:HARBOUR_KEY"}}
OURS, OTHERS = {"HARBOUR_KEY": "k" * 40}, {"HARBOUR_KEY": "x" * 40}
NOBODYS = Ask("", "", "", [], 5.0, request_id="", correlation_id="", arguments=msgspec.Raw(b"\x80"))
"""The question that an answer to what nobody could read is given to."""
MORE = msgspec.Raw(msgspec.msgpack.encode({"note": "tea", "why": "rain"}))


def ask(operation: str, arguments: dict[str, Any], *permissions: str, **more: Any) -> Ask:
    sent = msgspec.Raw(msgspec.msgpack.encode(arguments))
    return Ask(operation, "public", "ann", list(permissions), 5.0, "request", "request", sent, **more)


async def told(harbour: Harbour, there: Person, question: Ask, message: bytes | None = None) -> Told:
    """Let the edge carry a message that a test has written."""
    links, seal = there.system.core.links, sealing(harbour)
    assert links is not None
    message = seal.ask(question, "pier") if message is None else message
    return seal.told(await links.ask("pier", message, 20.0), question)


def in_the_first_form(secret: bytes, message: Ask | Told) -> bytes:
    """Seal a message as releases did that knew neither which question it is nor when it was sent."""
    body = msgspec.msgpack.encode(message)
    key = hashlib.sha256(b"armature links\0" + secret).digest()
    return hashlib.blake2b(body, key=key, digest_size=16, person=b"armature-link").digest() + body


def sealing(harbour: Harbour) -> Seal:
    return Seal(resolve(harbour.model, OURS)["keys.cursor"].reveal())


async def test_a_forged_message_is_refused_and_logged_and_nothing_is_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Harbour(build(tmp_path)) as harbour:
        await harbour.open("app")
        edge = await harbour.open("edge")
        forged = Seal(b"somebody else's").ask(ask("pier.load", {"note": "tea"}, "*"), "pier")
        assert edge.system.core.links is not None
        answer = await edge.system.core.links.ask("pier", forged, 20.0)
        assert (await edge.get("/v1/watch")).json() == {"count": 0}
        refusal = sealing(harbour).told(answer, NOBODYS)
        assert (refusal.code, refusal.kind) == ("system:unavailable", Kind.UNAVAILABLE)
        assert "a message was refused, and nothing was done" in caplog.text


async def test_a_process_with_another_key_is_told_which_secret_to_compare(tmp_path: Path) -> None:
    async with Harbour(build(tmp_path, environment=KEYS)) as harbour:
        await harbour.open("app", OURS)
        edge = await harbour.open("edge", OTHERS)
        answer = await edge.get("/v1/watch")
        assert (answer.status, answer.json()["code"]) == (503, "system:unavailable")
        assert "compare the secrets keys.cursor" in answer.json()["detail"]


async def test_permissions_are_looked_at_again_where_the_operation_lives(tmp_path: Path) -> None:
    async with Harbour(build(tmp_path)) as harbour:
        await harbour.open("app")
        edge = await harbour.open("edge")
        for permissions, code in (((), "auth:forbidden"), (("pier:write",), "")):
            assert (await told(harbour, edge, ask("pier.load", {"note": "tea"}, *permissions))).code == code
        assert (await edge.get("/v1/watch")).json() == {"count": 1}


async def test_an_argument_that_only_a_newer_neighbour_knows_is_ignored(tmp_path: Path) -> None:
    async with Harbour(build(tmp_path)) as harbour:
        await harbour.open("app")
        edge = await harbour.open("edge")
        asked = ask("pier.load", {"note": "tea", "colour": "green"}, "pier:write")
        assert msgspec.json.decode((await told(harbour, edge, asked)).body)["note"] == "tea"
        missing = await told(harbour, edge, ask("pier.load", {"colour": "green"}, "pier:write"))
        assert missing.code == "request:invalid"


async def test_an_operation_that_this_release_does_not_have_is_refused_by_name(tmp_path: Path) -> None:
    async with Harbour(build(tmp_path)) as harbour:
        await harbour.open("app")
        edge = await harbour.open("edge")
        refusal = await told(harbour, edge, ask("pier.sail", {}))
        assert refusal.code == "system:unavailable"
        assert b"pier.sail, which this release does not have" in bytes(refusal.values)


async def test_a_message_that_nobody_can_read_is_refused_in_words(tmp_path: Path) -> None:
    async with Harbour(build(tmp_path)) as harbour:
        await harbour.open("app")
        edge = await harbour.open("edge")
        question: Any = ask("pier.load", {})
        question.operation = 7
        refusal = await told(harbour, edge, question)
        assert refusal.code == "system:unavailable"
        assert b"this release cannot read" in bytes(refusal.values)


class Stranger:
    """Stands in the place of the application and says what a test wants, as a process of another release might."""

    def __init__(self, harbour: Harbour, says: Told) -> None:
        self._seal = sealing(harbour)
        self._says = says

    async def respond(self, message: bytes) -> bytes:
        asked = self._seal.asked(message)
        return self._seal.tell(self._says if asked.operation else Told(), asked.id)


@pytest.mark.parametrize(
    ("says", "status", "code", "words"),
    [
        (Told(code="pier:frozen", kind=Kind.CONFLICT), 409, "pier:frozen", "refused"),
        (Told(code="pier:no_room", kind=Kind.CONFLICT, values=MORE), 409, "pier:no_room", "tea"),
        (Told(code="pier:no_room", kind=Kind.CONFLICT), 503, "system:unavailable", "pier:no_room is of another release"),
        (Told(body=b'{"id": "no id"}'), 503, "commit:unknown", ""),
    ],
    ids=["a code nobody knows", "a field more", "a field less", "an answer that cannot be read"],
)  # fmt: skip
async def test_what_a_neighbour_of_another_release_says_reaches_the_caller_in_words(
    tmp_path: Path, says: Told, status: int, code: str, words: str
) -> None:
    async with Harbour(build(tmp_path)) as harbour:
        app = await harbour.open("app")
        links = app.system.core.links
        assert links is not None
        await links.leave()
        await links.answer(["counter", "quota", "pier"], Stranger(harbour, says).respond)
        edge = await harbour.open("edge")
        answer = await edge.post("/v1/crates", json={"note": "tea"})
        assert (answer.status, answer.json()["code"]) == (status, code)
        assert words in answer.json()["detail"]


async def test_a_question_in_the_form_of_an_older_release_is_refused_in_words_and_nothing_is_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Harbour(build(tmp_path, environment=KEYS), OURS) as harbour:
        await harbour.open("app")
        edge = await harbour.open("edge")
        older = in_the_first_form(OURS["HARBOUR_KEY"].encode(), ask("pier.load", {"note": "tea"}, "*"))
        refusal = await told(harbour, edge, NOBODYS, older)
        assert refusal.code == "system:unavailable"
        assert "nothing was done: system:unavailable" in caplog.text
        assert "compare the secrets keys.cursor, and then the releases" in caplog.text
        assert (await edge.get("/v1/watch")).json() == {"count": 0}


async def test_an_answer_in_the_form_of_an_older_release_is_refused_in_words(tmp_path: Path) -> None:
    async def older(message: bytes) -> bytes:
        return in_the_first_form(OURS["HARBOUR_KEY"].encode(), Told(body=b'{"count": 7}'))

    async with Harbour(build(tmp_path, environment=KEYS), OURS) as harbour:
        app = await harbour.open("app")
        links = app.system.core.links
        assert links is not None
        await links.leave()
        await links.answer(["counter", "quota", "pier"], older)
        edge = await harbour.open("edge")
        query = await edge.get("/v1/watch")
        assert (query.status, query.json()["code"]) == (503, "system:unavailable")
        assert "compare the secrets keys.cursor, and then the releases" in query.json()["detail"]
        command = await edge.post("/v1/crates", json={"note": "tea"})
        assert (command.status, command.json()["code"]) == (503, "commit:unknown")
