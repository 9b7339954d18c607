"""The HTTP edge from outside: how refusals look, what headers do, and who sees whose counters."""

import asyncio
import gzip
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import apsw
import httpx2
import pytest

from armature.edges.http.server import HttpServer
from armature.engine.policies import HttpPolicy
from tests.edges.conftest import Open, Site

JSON = {"Content-Type": "application/json"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PROBLEM_FIELDS = {"type", "title", "status", "detail", "instance", "code", "kind", "timestamp", "trace_id"}


def refused(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is that problem, complete, and true to its own status."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), answer.text
    assert problem.keys() >= PROBLEM_FIELDS
    assert problem["type"] == f"urn:problem:{code}"
    assert datetime.fromisoformat(problem["timestamp"]).utcoffset() is not None
    return problem


def paths(answer: httpx2.Response) -> list[str]:
    return [error["path"] for error in refused(answer, 422, "request:invalid")["errors"]]


async def raw(site: Site, body: bytes | str, path: str = "/v1/counters", **headers: str) -> httpx2.Response:
    return await site.client.post(path, content=body, headers={**JSON, **headers})


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_an_unknown_path_is_a_problem_that_names_itself(site: Open) -> None:
    async with site() as found:
        problem = refused(await found.client.get("/v1/nowhere"), 404, "request:no_route")
    assert problem["instance"] == "/v1/nowhere"


async def test_a_method_that_is_not_taken_is_answered_with_those_that_are(site: Open) -> None:
    async with site() as found:
        answer = await found.client.put("/v1/counters")
        refused(answer, 405, "request:method")
        assert answer.headers["allow"] == "GET, HEAD, POST"
        page = await found.client.post("/livez")
        refused(page, 405, "request:method")
        assert page.headers["allow"] == "GET, HEAD"


async def test_a_body_that_is_no_json_is_not_guessed_at(site: Open) -> None:
    async with site() as found:
        for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
            answer = await found.client.post("/v1/counters", content=b'{"name":"a"}', headers={"Content-Type": kind})
            refused(answer, 415, "request:media_type")
        taken = await found.client.post(
            "/v1/counters", content=b'{"name":"a"}', headers={"Content-Type": "Application/JSON; charset=utf-8"}
        )
        assert taken.status_code == 201


@pytest.mark.parametrize(
    "body",
    [b"{", b'{"name":"a",}', b"{'name':'a'}", b'{"name":"a"} x', b'{"name":"\xff"}', b'{"name":NaN}', b'{"name":Infinity}']
    + [b'{"name":' + b"[" * 10_000 + b"]" * 10_000 + b"}"],
    ids=["open", "comma", "quotes", "rest", "bytes", "nan", "infinity", "deep"],
)
async def test_what_is_no_json_is_refused_as_such(site: Open, body: bytes) -> None:
    async with site() as found:
        assert refused(await raw(found, body), 400, "request:malformed")["reason"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ('{"name":"a","name":"b"}', "name"),
        ('{"name":"a","na\\u006de":"b"}', "name"),
        ('{"name":"a","colour":"red"}', "colour"),
        ('{"name":7}', "name"),
        ('{"name":null}', "name"),
        ('{"name":"  "}', "name"),
        ("{}", "name"),
        ("", "name"),
        ("[]", ""),
        ("null", ""),
    ],
)
async def test_a_body_of_another_shape_is_told_where(site: Open, body: str, path: str) -> None:
    async with site() as found:
        assert paths(await raw(found, body)) == [path]


async def test_all_that_is_wrong_is_told_at_once_up_to_twenty(site: Open) -> None:
    async with site() as found:
        both = await raw(found, '{"name":7,"note":8,"x":1}')
        assert paths(both) == ["name", "note", "x"]
        many = await found.client.post("/v1/counters", json={"name": "a", **{f"x{number}": 1 for number in range(50)}})
        assert len(paths(many)) == 20
        query = await found.client.get("/v1/counters?limit=0&size=x&colour=red&page=-1&page=2")
        assert sorted(paths(query)) == ["colour", "limit", "page", "page", "size"]
        path = await found.client.get("/v1/counters/7")
        assert paths(path) == ["counter_id"]


async def test_texts_are_trimmed_and_whole_floats_are_numbers(site: Open) -> None:
    async with site() as found:
        made = await found.client.post("/v1/counters", json={"name": "  a\u00a0"})
        assert made.json()["name"] == "a"
        moved = await raw(found, '{"by":3.0}', f"/v1/counters/{made.json()['id']}/increment")
        assert moved.json()["value"] == 3
        assert paths(await raw(found, '{"by":3.5}', f"/v1/counters/{made.json()['id']}/increment")) == ["by"]


async def test_absent_keeps_and_null_clears(site: Open) -> None:
    async with site() as found:
        made = (await found.client.post("/v1/counters", json={"name": "a", "note": "n"})).json()
        where = f"/v1/counters/{made['id']}"
        assert (await found.client.patch(where, json={"name": "b"})).json()["note"] == "n"
        assert (await found.client.patch(where, json={"note": None})).json()["note"] is None
        assert paths(await found.client.patch(where, json={"name": None})) == ["name"]


@pytest.mark.parametrize("shown", [True, False])
async def test_a_bug_hides_its_words_where_details_are_off(site: Open, shown: bool) -> None:
    async with site(HTTP__ERROR_DETAILS=str(shown).lower()) as found:
        behind_its_back = apsw.Connection(str(found.system.core.model.database_path))
        behind_its_back.execute("alter table counter_counters rename to stolen")
        behind_its_back.close()
        await asyncio.sleep(0)  # all that is read in one turn of the loop is of one state, also the projector's
        answer = await found.client.get(f"/v1/counters/{uuid4()}")
        problem = refused(answer, 500, "system:bug")
        assert ("details" in problem) is shown
        assert ("counter_counters" in answer.text) is shown


# --- headers ----------------------------------------------------------------------------------------------------------


async def test_every_answer_carries_the_fixed_headers(site: Open) -> None:
    async with site() as found:
        for path in ("/v1/counters", "/nowhere", "/docs", "/livez"):
            headers = (await found.client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert "strict-transport-security" not in headers
    async with site("production", HTTP__ADMIN_PORT="0") as found:
        assert "max-age=" in (await found.client.get("/livez")).headers["strict-transport-security"]


async def test_a_request_id_is_kept_when_it_is_one(site: Open) -> None:
    async with site() as found:
        kept = await found.client.get("/v1/counters", headers={"X-Request-ID": "abc-123:DEF.4"})
        assert kept.headers["x-request-id"] == "abc-123:DEF.4"
        ids = set()
        for sent in ("short", "with space in it", "x" * 65, "ümläuts-ümläuts"):
            answer = await found.client.get("/v1/counters", headers={"X-Request-ID": sent.encode("latin-1")})
            assert answer.headers["x-request-id"] != sent
            ids.add(answer.headers["x-request-id"])
        assert len(ids) == 4


async def test_a_trace_goes_on_in_the_problem(site: Open) -> None:
    async with site() as found:
        sent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        problem = refused(await found.client.get(f"/v1/counters/{uuid4()}", headers=sent), 404, "counter:not_found")
    assert problem["trace_id"] == TRACE


async def test_head_is_get_without_a_body_on_the_wire(site: Open) -> None:
    async with site() as found:
        made = (await found.counter()).json()
        server = HttpServer(found.system.app, HttpPolicy(port=0))
        await server.start()
        try:
            async with httpx2.AsyncClient(base_url=server.address) as client:
                get = await client.get(f"/v1/counters/{made['id']}")
                head = await client.head(f"/v1/counters/{made['id']}")
        finally:
            await asyncio.wait_for(server.stop(), 20)
    assert head.content == b""
    assert (head.headers["etag"], head.headers["content-length"]) == (get.headers["etag"], get.headers["content-length"])


async def test_an_answer_without_content_has_no_length(site: Open) -> None:
    async with site() as found:
        made = await found.counter()
        where = made.headers["location"]
        same = await found.client.get(where, headers={"If-None-Match": made.headers["etag"]})
        gone = await found.client.delete(where)
        assert (same.status_code, gone.status_code) == (304, 204)
        assert "content-length" not in same.headers
        assert "content-length" not in gone.headers


@pytest.mark.parametrize(
    ("tag", "status"), [('"1"', 304), ('W/"1"', 304), ('"0", "1"', 304), ("*", 304), ('"2"', 200), ("1", 200)]
)
async def test_an_unchanged_counter_is_not_sent_again(site: Open, tag: str, status: int) -> None:
    async with site() as found:
        where = (await found.counter()).headers["location"]
        assert (await found.client.get(where, headers={"If-None-Match": tag})).status_code == status


@pytest.mark.parametrize(
    ("tag", "status"), [('"1"', 200), ("*", 200), ('"2"', 412), ("1", 422), ('W/"1"', 422), ('"1", "2"', 422), ("", 422)]
)
async def test_a_change_is_bound_to_the_version_it_names(site: Open, tag: str, status: int) -> None:
    async with site() as found:
        where = (await found.counter()).headers["location"]
        answer = await found.client.post(where + "/increment", headers={"If-Match": tag})
        assert answer.status_code == status, answer.text
        if status == 412:
            assert refused(answer, 412, "request:stale")["current"] == '"1"'


async def test_long_answers_are_packed_for_those_who_can_unpack(site: Open) -> None:
    async with site() as found:
        long = await found.client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
        assert (long.headers["content-encoding"], long.headers["vary"]) == ("gzip", "Accept-Encoding")
        plain = await found.client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
        assert ("content-encoding" in plain.headers, plain.headers["vary"]) == (False, "Accept-Encoding")
        assert long.json() == plain.json()
        assert len(gzip.compress(plain.content)) < len(plain.content)
        refusing = await found.client.get("/openapi.json", headers={"Accept-Encoding": "gzip;q=0, identity"})
        assert "content-encoding" not in refusing.headers
        short = await found.client.get("/livez", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in short.headers


# --- other origins ----------------------------------------------------------------------------------------------------

ORIGIN = "https://app.example.com"


@pytest.mark.parametrize(
    "origin",
    ["null", ORIGIN + ".evil.test", "https://evil-app.example.com", "https://app.example.co", "http://app.example.com"]
    + [ORIGIN + ":8443", "https://sub.app.example.com", ORIGIN.upper(), ORIGIN + "/", "*", ""],
)
async def test_only_the_origins_on_the_list_may_read(site: Open, origin: str) -> None:
    async with site(HTTP__CORS_ORIGINS=f"[{ORIGIN}]") as found:
        answer = await found.client.get("/v1/counters", headers={"Origin": origin})
        assert "access-control-allow-origin" not in answer.headers
        assert "Origin" in answer.headers["vary"], "a cache must not give one origin's answer to another"
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        asked = await found.client.options("/v1/counters", headers=preflight)
        assert "access-control-allow-methods" not in asked.headers


async def test_an_origin_on_the_list_may_ask_read_and_send(site: Open) -> None:
    async with site(HTTP__CORS_ORIGINS=f"[{ORIGIN}]") as found:
        answer = await found.client.get("/v1/counters", headers={"Origin": ORIGIN})
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "ETag" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers
        asked = await found.client.options("/v1/counters", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == ORIGIN
        assert "POST" in asked.headers["access-control-allow-methods"]
        assert {"Idempotency-Key", "X-Actor"} <= set(asked.headers["access-control-allow-headers"].split(", "))
    async with site("production", HTTP__ADMIN_PORT="0", HTTP__CORS_ORIGINS=f"[{ORIGIN}]") as found:
        asked = await found.client.options("/v1/counters", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
        assert "X-Actor" not in asked.headers["access-control-allow-headers"]


# --- repeating --------------------------------------------------------------------------------------------------------


async def test_a_repeated_command_gets_the_first_answer_again(site: Open) -> None:
    async with site() as found:
        first = await found.counter("a", **{"Idempotency-Key": "k1"})
        again = await found.counter("a", **{"Idempotency-Key": '"k1"'})
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        for name in ("etag", "location", "armature-position"):
            assert again.headers[name] == first.headers[name], name
        where = first.headers["location"]
        for _ in range(2):
            moved = await found.client.post(where + "/increment", headers={"Idempotency-Key": "k1"})
            assert moved.json()["value"] == 1, "one key means something else for another operation"


async def test_a_key_is_for_one_content_and_one_caller(site: Open) -> None:
    async with site() as found:
        await found.counter("a", **{"Idempotency-Key": "k1"})
        refused(await found.counter("b", **{"Idempotency-Key": "k1"}), 422, "idempotency:key_reused")
        other = await found.counter("a", **{"Idempotency-Key": "k1", "X-Tenant-ID": "other"})
        assert (other.status_code, "idempotent-replayed" in other.headers) == (201, False)


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a\tb", "k\u00e9"])
async def test_a_key_that_is_none_is_refused(site: Open, key: str) -> None:
    async with site() as found:
        assert paths(
            await found.client.post("/v1/counters", json={"name": "a"}, headers={"Idempotency-Key": key.encode("latin-1")})
        ) == ["Idempotency-Key"]


async def test_a_refusal_leaves_no_key(site: Open) -> None:
    async with site() as found:
        where = (await found.counter()).headers["location"]
        keyed = {"Idempotency-Key": "k1"}
        refused(await found.client.post(where + "/decrement", headers=keyed), 409, "counter:insufficient")
        await found.client.post(where + "/increment")
        assert (await found.client.post(where + "/decrement", headers=keyed)).json()["value"] == 0


# --- who may ----------------------------------------------------------------------------------------------------------


async def test_another_tenants_counter_is_as_unknown_as_none(site: Open) -> None:
    async with site() as found:
        made = (await found.counter()).json()
        nowhere = uuid4()
        seen = []
        for one in (UUID(made["id"]), nowhere):
            answer = await found.client.get(f"/v1/counters/{one}", headers={"X-Tenant-ID": "other"})
            problem = refused(answer, 404, "counter:not_found")
            seen.append({name: str(value).replace(str(one), "ID") for name, value in problem.items() if name != "timestamp"})
        assert seen[0] == seen[1]
        for verb, path in (("POST", "/increment"), ("DELETE", ""), ("GET", "/history")):
            answer = await found.client.request(verb, f"/v1/counters/{made['id']}{path}", headers={"X-Tenant-ID": "other"})
            assert answer.status_code in (404, 503), answer.text


async def test_nobody_has_to_sign_in_and_somebody_needs_the_permission(site: Open) -> None:
    async with site() as found:
        nobody = await found.client.get("/v1/counters", headers={"X-Actor": "none"})
        refused(nobody, 401, "auth:unauthenticated")
        assert nobody.headers["www-authenticate"] == "Bearer"
        reader = {"X-Actor": "ann", "X-Roles": "counter.reader"}
        assert (await found.client.get("/v1/counters", headers=reader)).status_code == 200
        denied = refused(await found.counter("a", **reader), 403, "auth:forbidden")
        assert denied["permission"] == "counter:write"
        assert (await found.counter("a", **{"X-Actor": "bob", "X-Roles": "x, counter.writer"})).status_code == 201
        assert paths(await found.counter("b", **{"X-Tenant-ID": "a b"})) == ["X-Tenant-ID"]


async def test_production_does_not_look_at_the_headers_of_development(site: Open) -> None:
    async with site("production", HTTP__ADMIN_PORT="0") as found:
        for headers in ({}, {"X-Actor": "ann", "X-Roles": "counter.writer"}):
            refused(await found.client.get("/v1/counters", headers=headers), 401, "auth:unauthenticated")


async def test_who_waits_as_long_as_told_is_let_in_again(site: Open) -> None:
    async with site(LIMITS__OPERATIONS="{counter.get: 2/second}") as found:
        where = (await found.counter()).headers["location"]
        answers = [await found.client.get(where) for _ in range(3)]
        problem = refused(answers[-1], 429, "limit:exceeded")
        assert int(answers[-1].headers["retry-after"]) >= problem["retry_after_seconds"] > 0
        other = await found.client.get(where, headers={"X-Actor": "ann", "X-Roles": "counter.reader"})
        assert other.status_code == 200, "each caller has a rate of their own"


async def test_what_does_not_fit_is_sent_away_at_once(site: Open) -> None:
    async with site(HTTP__RUNNING_MAX="1", HTTP__WAITING_MAX="1") as found:
        answers = await asyncio.gather(*(found.counter(f"c{number}") for number in range(20)))
        away = [one for one in answers if one.status_code != 201]
        assert away and len(away) < 20
        for one in away:
            refused(one, 503, "system:overloaded")
            assert int(one.headers["retry-after"]) >= 1


# --- where ------------------------------------------------------------------------------------------------------------


async def test_prefix_and_aliases_follow_the_policies(site: Open) -> None:
    async with site(HTTP__PREFIX="/api/{version}", HTTP__ALIASES="{/ping: /livez, /spec: /openapi.json}") as found:
        made = await found.client.post("/api/1/counters", json={"name": "a"})
        assert made.headers["location"].startswith("/api/1/counters/")
        assert (await found.client.get("/ping")).json() == {"status": "alive"}
        assert "/api/1/counters" in (await found.client.get("/spec")).json()["paths"]
        assert (await found.client.get("/health-check")).status_code == 404, "a list replaces the default one"


async def test_a_web_socket_that_nobody_serves_is_refused(site: Open) -> None:
    sent = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    async with site() as found:
        await found.system.app({"type": "websocket", "path": "/x", "headers": []}, lambda: None, send)  # type: ignore[arg-type]
    assert sent == ["websocket.close"]
