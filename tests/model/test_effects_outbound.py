"""Each key of `outbound`, flipped, with a real host on the other side of a socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.edges.wire import until
from tests.model.effects import Running, Stage, effect_of

KNOWN = {"outbound.allow_hosts": "127.0.0.1"}
ONCE = {**KNOWN, "outbound.attempts_max": "1"}


class Host:
    """Somebody else's service. `says` are statuses of its next answers, 200 when there are none left; 0 keeps silent."""

    def __init__(self) -> None:
        self.says: list[int] = []
        self.asked = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        status = self.says.pop(0) if self.says else 200
        if status:
            body = b"x" * 100
            writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(body), body))
            await writer.drain()
        else:
            await reader.read()
        writer.close()


@asynccontextmanager
async def beside(stage: Stage, *says: int) -> AsyncIterator[tuple[Running, Host]]:
    """A system, and a host it can ask."""
    host = Host()
    host.says = list(says)
    listener = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    async with stage.serving() as running:
        yield running, host
    listener.close()


@effect_of("outbound.allow_hosts", to="127.0.0.1", default=503, flipped=200)
async def test_a_host_of_ones_own_is_asked_when_it_is_listed(stage: Stage) -> object:
    async with beside(stage) as (running, host):
        return await ask(running, host)


@pytest.mark.slow
@effect_of("outbound.timeout_seconds", to="0.1", default="patient", flipped=504, given=ONCE)
async def test_a_call_to_the_outside_takes_so_long(stage: Stage) -> object:
    async with beside(stage, 0) as (running, host):
        call = asyncio.create_task(ask(running, host))
        await until(lambda: host.asked == 1)
        await running.late()
        if call.done():
            return call.result()
        call.cancel()
        return "patient"


@effect_of("outbound.body_bytes_max", to="10", default=200, flipped=503, given=KNOWN)
async def test_a_larger_answer_is_not_read(stage: Stage) -> object:
    async with beside(stage) as (running, host):
        return await ask(running, host)


@effect_of("outbound.attempts_max", to="1", default=3, flipped=1, given={**KNOWN, "outbound.retry_ratio_max": "1"})
async def test_a_call_is_tried_so_often(stage: Stage) -> object:
    async with beside(stage, 503, 503, 503, 503) as (running, host):
        await ask(running, host)
        return host.asked


@effect_of("outbound.retry_ratio_max", to="0", default=2, flipped=1, given={**KNOWN, "outbound.attempts_max": "2"})
async def test_retries_are_a_share_of_the_calls(stage: Stage) -> object:
    async with beside(stage, 503, 503) as (running, host):
        await ask(running, host)
        return host.asked


@effect_of("outbound.breaker_failure_ratio", to="1", default=4, flipped=5, given={**ONCE, "outbound.breaker_volume_min": "4"})
async def test_a_host_that_fails_so_often_is_left_alone(stage: Stage) -> object:
    async with beside(stage, 200, 503, 503, 503) as (running, host):
        return await asked(running, host, 5)


@effect_of("outbound.breaker_volume_min", to="2", default=5, flipped=2, given=ONCE)
async def test_a_breaker_judges_after_so_many_calls(stage: Stage) -> object:
    async with beside(stage, 503, 503, 503, 503) as (running, host):
        return await asked(running, host, 5)


@pytest.mark.slow
@effect_of("outbound.breaker_window_seconds", to="0.05", default=2, flipped=3, given={**ONCE, "outbound.breaker_volume_min": "2"})
async def test_a_breaker_forgets_what_is_old(stage: Stage) -> object:
    async with beside(stage, 503, 503) as (running, host):
        await ask(running, host)
        await running.late()
        return await asked(running, host, 2)


@pytest.mark.slow
@effect_of("outbound.breaker_open_seconds", to="0.05", default=1, flipped=2, given={**ONCE, "outbound.breaker_volume_min": "1"})
async def test_a_breaker_lets_one_call_try_after_a_while(stage: Stage) -> object:
    async with beside(stage, 503) as (running, host):
        await ask(running, host)
        await running.late()
        return await asked(running, host, 1)


async def ask(running: Running, host: Host) -> int:
    """Let the system ask the host; return what the system answers."""
    return (await running.ask(f"GET /v1/ask?url={host.url}")).status


async def asked(running: Running, host: Host, times: int) -> int:
    """Ask so often; return how many calls reached the host since its start."""
    for _ in range(times):
        await ask(running, host)
    return host.asked


async def test_nothing_is_sent_while_a_command_decides(tmp_path: Path) -> None:
    stage = Stage({"ARMATURE_OUTBOUND__ALLOW_HOSTS": "127.0.0.1"}, tmp_path)
    async with beside(stage) as (running, host):
        answer = await running.ask("POST /v1/ask", {"url": host.url})
        assert (answer.status, msgspec.json.decode(answer.body)["code"], host.asked) == (500, "system:bug", 0)


async def test_an_outside_without_an_answer_is_told_as_a_refusal(tmp_path: Path) -> None:
    stage = Stage({}, tmp_path)
    async with beside(stage) as (running, host):
        answer = await running.ask(f"GET /v1/ask?url={host.url}")
        assert (answer.status, msgspec.json.decode(answer.body)["code"]) == (503, "system:unavailable")
        assert answer.headers["retry-after"] == "1"
