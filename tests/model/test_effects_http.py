"""Each key of `http` that a request meets, flipped."""

import asyncio

import msgspec

from armature.edges.http.server import CannotListen
from tests.edges.wire import Answer, Wire, until
from tests.model import probe
from tests.model.effects import Running, Stage, effect_of, request


@effect_of("http.host", to="127.0.0.2", default=True, flipped=False)
async def test_the_address_is_listened_on(stage: Stage) -> object:
    async with stage.serving() as running:
        try:
            await (await Wire.open(running.port)).close()
        except ConnectionRefusedError:
            return False
        return True


@effect_of("http.port", to="0", default=True, flipped=False)
async def test_the_port_is_listened_on(stage: Stage) -> object:
    try:
        async with stage.serving(port="") as running:
            return running.port == 8080
    except CannotListen as taken:  # by somebody else: then it is the one that was asked for
        return ":8080:" in str(taken)


@effect_of("http.prefix", to="/api/v{version}", default=200, flipped=404)
async def test_routes_live_under_the_prefix(stage: Stage) -> object:
    return await status(stage, "GET /v1/open")


@effect_of("http.aliases", to="{/pulse: /livez}", default=404, flipped=200)
async def test_a_page_has_another_path(stage: Stage) -> object:
    return await status(stage, "GET /pulse")


@effect_of("http.head_bytes_max", to="500", default=200, flipped=431)
async def test_a_larger_head_is_refused(stage: Stage) -> object:
    return await status(stage, "GET /v1/open", x_much="x" * 1_000)


@effect_of("http.head_fields_max", to="3", default=200, flipped=431)
async def test_more_fields_are_refused(stage: Stage) -> object:
    return await status(stage, "GET /v1/open", a="1", b="2", c="3")


@effect_of("http.url_bytes_max", to="20", default=404, flipped=414)
async def test_a_longer_target_is_refused(stage: Stage) -> object:
    return await status(stage, "GET /" + "x" * 40)


@effect_of("http.body_bytes_max", to="50", default=201, flipped=413)
async def test_a_larger_body_is_refused(stage: Stage) -> object:
    return await status(stage, "POST /v1/levers", {"note": "x" * 100})


@effect_of("http.head_seconds", to="0.5", default=200, flipped=408)
async def test_a_head_arrives_in_time(stage: Stage) -> object:
    return await in_pieces(stage, request("GET /v1/open"), 10, 5)


@effect_of("http.body_seconds", to="0.5", default=201, flipped=408, given={"http.body_bytes_per_second_min": "1"})
async def test_a_body_arrives_in_time(stage: Stage) -> object:
    return await in_pieces(stage, request("POST /v1/levers", {"note": "x" * 100}), -5, 5)


@effect_of("http.body_bytes_per_second_min", to="1", default=408, flipped=201)
async def test_a_body_arrives_fast_enough(stage: Stage) -> object:
    return await in_pieces(stage, request("POST /v1/levers", {"note": "x" * 100}), -5, 10)


@effect_of("http.keep_alive_seconds", to="0.5", default=200, flipped=None)
async def test_a_connection_waits_for_its_next_request(stage: Stage) -> object:
    async with stage.serving() as running:
        wire = await Wire.open(running.port)
        wire.send(request("GET /v1/open"))
        await wire.answer()
        await moved(running, 5)
        wire.send(request("GET /v1/open"))
        answer = await wire.answer()
        await wire.close()
        return answer.status if answer else None


@effect_of("http.requests_per_connection_max", to="1", default=None, flipped="close")
async def test_a_connection_has_so_many_requests(stage: Stage) -> object:
    async with stage.serving() as running:
        return (await running.ask("GET /v1/open")).headers.get("connection")


@effect_of("http.connections_max", to="1", default=200, flipped=503)
async def test_so_many_connections_are_open(stage: Stage) -> object:
    return await second_connection(stage)


@effect_of("http.connections_per_address_max", to="1", default=200, flipped=503)
async def test_so_many_connections_are_open_from_one_address(stage: Stage) -> object:
    return await second_connection(stage)


@effect_of("http.running_max", to="1", default=0, flipped=1, given={"http.waiting_max": "1"})
async def test_so_many_requests_run_at_once(stage: Stage) -> object:
    return len(await refused_of_three(stage))


@effect_of("http.waiting_max", to="1", default=0, flipped=1, given={"http.running_max": "1"})
async def test_so_many_requests_wait_for_their_turn(stage: Stage) -> object:
    return len(await refused_of_three(stage))


@effect_of(
    "http.overload_retry_seconds", to="9", default="1", flipped="9", given={"http.running_max": "1", "http.waiting_max": "1"}
)
async def test_whoever_is_refused_for_overload_is_told_when_to_come_again(stage: Stage) -> object:
    (refused,) = await refused_of_three(stage)
    return refused.headers["retry-after"]


@effect_of("http.streams_max", to="1", default=200, flipped=503)
async def test_so_many_streams_are_open_at_once(stage: Stage) -> object:
    async with stage.serving() as running:
        wires = [await Wire.open(running.port) for _ in "ab"]
        statuses = []
        for wire in wires:
            wire.send(request("GET /v1/levers/0198c9a5-0000-7000-8000-000000000000/events"))
            answer = await wire.answer()
            statuses.append(answer.status if answer else None)
        for wire in wires:
            await wire.close()
        return statuses[-1]


@effect_of("http.compress_bytes_min", to="10", default=None, flipped="gzip")
async def test_a_larger_answer_is_compressed(stage: Stage) -> object:
    async with stage.serving() as running:
        answer = await running.ask("GET /v1/say?letters=100", accept_encoding="gzip")
        return answer.headers.get("content-encoding")


@effect_of("http.cors_origins", to="https://shop.example", default=None, flipped="https://shop.example")
async def test_an_origin_may_read_answers(stage: Stage) -> object:
    async with stage.serving() as running:
        answer = await running.ask("GET /v1/open", origin="https://shop.example")
        return answer.headers.get("access-control-allow-origin")


@effect_of(
    "http.trusted_proxies", to="127.0.0.0/8", default=429, flipped=200, given={"limits.operations": "{lever.open: 1/hour}"}
)
async def test_callers_behind_our_proxy_are_told_apart(stage: Stage) -> object:
    async with stage.serving() as running:
        await running.ask("GET /v1/open", x_actor="none", x_forwarded_for="203.0.113.1")
        return (await running.ask("GET /v1/open", x_actor="none", x_forwarded_for="203.0.113.2")).status


@effect_of("http.development_identity", to="false", default=200, flipped=401)
async def test_whoever_says_nothing_is_the_developer(stage: Stage) -> object:
    return await status(stage, "GET /v1/seen")


@effect_of("http.error_details", to="false", default=True, flipped=False)
async def test_a_bug_shows_its_words(stage: Stage) -> object:
    async with stage.serving() as running:
        return b"the words of a bug" in (await running.ask("GET /v1/bug")).body


@effect_of("http.admin_port", to="0", default=(200, None), flipped=(404, 200))
async def test_operators_have_a_port_of_their_own(stage: Stage) -> object:
    async with stage.serving() as running:
        public, admin = await running.ask("GET /metrics"), running.at.admin
        theirs = await running.ask("GET /metrics", port=admin.port) if admin else None
        return public.status, theirs.status if theirs else None


async def status(stage: Stage, line: str, body: object = None, **headers: str) -> int:
    async with stage.serving() as running:
        return (await running.ask(line, body, None, **headers)).status


async def moved(running: Running, seconds: float) -> None:
    """Let the connections' clock pass, once the server has seen what was sent."""
    loop = asyncio.get_running_loop()
    for _ in range(20):  # what is on the loopback is read within a few turns
        await asyncio.sleep(0)
    running.at.public.sweep(loop.time() + seconds)


async def in_pieces(stage: Stage, content: bytes, cut: int, seconds: float) -> int | None:
    """Send a request up to the cut, let time pass, send the rest."""
    async with stage.serving() as running:
        wire = await Wire.open(running.port)
        wire.send(content[:cut])
        await until(lambda: running.at.public.connections == 1)
        await moved(running, seconds)
        wire.send(content[cut:])
        answer = await wire.answer()
        await wire.close()
        return answer.status if answer else None


async def second_connection(stage: Stage) -> int:
    async with stage.serving() as running:
        first = await Wire.open(running.port)
        await until(lambda: running.at.public.connections == 1)
        answer = await running.ask("GET /v1/open")
        await first.close()
        return answer.status


async def refused_of_three(stage: Stage) -> list[Answer]:
    """Send three requests that hold, let them through when all are there, and return who was refused."""
    async with stage.serving() as running:
        calls = [asyncio.create_task(running.ask("GET /v1/hold?gate=hold")) for _ in range(3)]
        await until(lambda: running.at.public.running == 3 or any(call.done() for call in calls))
        probe.open_gate("hold")
        answers = await asyncio.gather(*calls)
        refused = [answer for answer in answers if answer.status != 200]
        assert all(msgspec.json.decode(answer.body)["code"] == "system:overloaded" for answer in refused)
        return refused
