"""The fake keeps the laws a fake can keep, and fails loudly where a test was careless."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from armature.conformance.http import Behaviour, HttpLaws, World, soon
from armature.engine.policies import OutboundPolicy
from armature.ports.http import Http, HttpRequest, HttpResponse, OutboundRefused
from armature.testing.cassettes import RecordingHttp, ReplayHttp
from armature.testing.outbound import OutboundFake, UnprogrammedCall

URL = "https://rates.example/v1/eur"


class TestOutboundFake(HttpLaws):
    @asynccontextmanager
    async def world(self, behaviour: Behaviour, policy: OutboundPolicy) -> AsyncIterator[World]:
        fake = OutboundFake(policy)
        line = fake.on("*", "http://far.example*")
        if isinstance(behaviour, HttpResponse):
            line.answers(behaviour.status, body=behaviour.body, headers=dict(behaviour.headers))
        else:
            line.refuses("deadline" if behaviour == "silent" else "unreachable")
        yield World(fake, "http://far.example", lambda: len(fake.calls), lambda: fake.calls[-1].headers)


def ask(http: Http, url: str = URL, method: str = "GET", body: bytes = b"") -> HttpResponse:
    return asyncio.run(http.send(soon(), HttpRequest(method=method, url=url, body=body, headers={"Authorization": "Bearer t0p"})))


def test_answers_come_in_turn_and_the_last_one_stays() -> None:
    fake = OutboundFake()
    fake.on("GET", URL).answers(500).answers(json={"EUR": 1.08})
    assert [ask(fake).status for _ in range(3)] == [500, 200, 200]
    assert (ask(fake).body, ask(fake).header("Content-Type")) == (b'{"EUR":1.08}', "application/json")


def test_the_line_programmed_last_wins() -> None:
    fake = OutboundFake()
    fake.on("GET", "https://*").answers(200)
    fake.on("GET", URL).refuses("breaker_open", retry_after=3.0)
    assert ask(fake, "https://other.example/").status == 200
    with pytest.raises(OutboundRefused) as refused:
        ask(fake)
    assert (refused.value.host, refused.value.retry_after) == ("rates.example", 3.0)


def test_only_the_star_is_a_wildcard() -> None:
    fake = OutboundFake()
    fake.on("GET", "https://a.example/[x]?q=1*").answers(200)
    assert ask(fake, "https://a.example/[x]?q=12").status == 200
    with pytest.raises(UnprogrammedCall):
        ask(fake, "https://a.example/x?q=1")


def test_a_call_nobody_programmed_fails_with_the_program() -> None:
    fake = OutboundFake()
    with pytest.raises(UnprogrammedCall, match="programmed is:\n  nothing"):
        ask(fake)
    fake.on("POST", "https://rates.example/?a=*").answers(200)
    with pytest.raises(UnprogrammedCall, match=r"GET https://rates.example/v1/eur; .*\n  POST https://rates.example/\?a=\*"):
        ask(fake)
    assert fake.calls == []


def test_a_line_without_an_answer_is_named() -> None:
    fake = OutboundFake()
    fake.on("GET", URL)
    with pytest.raises(UnprogrammedCall, match=r"has no answer; add \.answers"):
        ask(fake)


def test_what_was_recorded_is_replayed_and_nothing_else(tmp_path: Path) -> None:
    cassette, fake = tmp_path / "rates" / "eur.json", OutboundFake()
    fake.on("GET", "*").answers(json={"n": 1}).answers(body=b"\xff\x00", headers={"Date": "now"}).refuses("deadline")
    recording = RecordingHttp(fake, cassette)
    recorded = [ask(recording), ask(recording)]
    with pytest.raises(OutboundRefused):
        ask(recording)
    asyncio.run(recording.close())

    replay = ReplayHttp(cassette)
    assert replay.unused == [f"GET {URL}"] * 3
    assert [ask(replay).body, ask(replay).body] == [answer.body for answer in recorded]
    with pytest.raises(OutboundRefused, match="deadline"):
        ask(replay)
    with pytest.raises(UnprogrammedCall, match=r"no answer is left for GET .*left is:\n  nothing"):
        ask(replay)


def test_a_cassette_tells_bodies_apart(tmp_path: Path) -> None:
    fake = OutboundFake()
    fake.on("POST", "*").answers(body=b"one").answers(body=b"two")
    recording = RecordingHttp(fake, tmp_path / "c.json")
    ask(recording, method="POST", body=b"1")
    ask(recording, method="POST", body=b"2")
    asyncio.run(recording.close())
    replay = ReplayHttp(tmp_path / "c.json")
    assert ask(replay, method="POST", body=b"2").body == b"two"


def test_no_secret_is_in_the_file_and_replay_still_matches(tmp_path: Path) -> None:
    fake = OutboundFake()
    fake.on("POST", "*").answers(body=b"\xff k3y", headers={"Set-Cookie": "session=1", "X-Echo": "k3y"})
    recording = RecordingHttp(fake, tmp_path / "c.json", secrets=["k3y"])
    ask(recording, URL + "?key=k3y", "POST", b"k3y")
    asyncio.run(recording.close())
    written = (tmp_path / "c.json").read_text()
    assert not any(secret in written for secret in ("k3y", "t0p", "session"))
    assert ask(ReplayHttp(tmp_path / "c.json", secrets=["k3y"]), URL + "?key=k3y", "POST", b"k3y").header("x-echo") == "***"


@pytest.mark.parametrize(
    ("text", "says"), [(None, "no such cassette"), ("{", "not a cassette"), ('[{"ask": 1}]', "not a cassette")]
)
def test_a_cassette_that_cannot_be_read_says_so(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "c.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UnprogrammedCall, match=says):
        ReplayHttp(path)
