"""The laws of port `http` about a host in trouble: who is asked again, how often, and when it is left alone."""

import asyncio

from msgspec import structs

from armature.conformance.far import far_server, is_silent, resets
from armature.conformance.http import prove, refusal
from armature.conformance.http_wire import BUSY, OK, UNTRIED, HttpWireLaws, Moved, get, post, until
from armature.engine.policies import OutboundPolicy
from armature.ports.http import HttpRequest, HttpResponse

__all__ = ["HttpTroubleLaws"]

TOUCHY = OutboundPolicy(
    allow_hosts=["127.0.0.1"], attempts_max=1, breaker_volume_min=5, breaker_open_seconds=10.0, breaker_window_seconds=30.0
)


class HttpTroubleLaws(HttpWireLaws):
    """All laws of the port; override `client`, as for `HttpWireLaws`."""

    def test_an_idempotent_request_is_sent_again_until_it_is_answered(self) -> None:
        async def law() -> None:
            moved = Moved(dice=1.0)
            async with self.open(resets, BUSY, OK, moved=moved) as (http, far):
                assert (await http.send(moved.asking(), get(far))).status == 200
                assert len(far.heard) == 3
            assert moved.pauses == [0.1, 0.2]

        prove(law())

    def test_a_request_that_is_not_idempotent_is_sent_once(self) -> None:
        async def law() -> None:
            moved = Moved()
            async with self.open(BUSY, OK, moved=moved) as (http, far):
                assert (await http.send(moved.asking(), post(far))).status == 503
                assert len(far.heard) == 1
            async with self.open(BUSY, OK, moved=moved) as (http, far):
                keyed = HttpRequest(method="POST", url=far.url, headers={"Idempotency-Key": "k"}, idempotent=True)
                assert (await http.send(moved.asking(), keyed)).status == 200

        prove(law())

    def test_an_answer_that_says_no_is_not_asked_again(self) -> None:
        async def law() -> None:
            moved = Moved()
            for status in (400, 404, 409, 429, 500, 501):
                async with self.open(HttpResponse(status=status), OK, moved=moved) as (http, far):
                    assert (await http.send(moved.asking(), get(far))).status == status

        prove(law())

    def test_when_no_attempt_is_left_the_last_answer_stands(self) -> None:
        async def law() -> None:
            moved = Moved()
            async with self.open(HttpResponse(status=502), BUSY, HttpResponse(status=504), moved=moved) as (http, far):
                assert (await http.send(moved.asking(), get(far))).status == 504
                assert len(far.heard) == 3

        prove(law())

    def test_no_retry_begins_that_the_deadline_would_end(self) -> None:
        async def law() -> None:
            moved = Moved(dice=1_000.0)  # a first pause of 100 s
            async with self.open(BUSY, OK, moved=moved) as (http, far):
                assert (await http.send(moved.asking(), get(far))).status == 503
            assert moved.pauses == []

        prove(law())

    def test_a_host_that_asks_for_time_gets_it_or_is_not_asked_again(self) -> None:
        async def law() -> None:
            asks = HttpResponse(status=503, headers=(("retry-after", "4"),))
            moved = Moved()
            async with self.open(asks, OK, moved=moved) as (http, far):
                assert (await http.send(moved.asking(), get(far))).status == 200
            assert moved.pauses == [4.0]
            async with self.open(asks, OK, moved=moved) as (http, far):
                assert (await http.send(moved.asking(3.0), get(far))).status == 503

        prove(law())

    def test_retries_stay_within_a_tenth_of_the_calls(self) -> None:
        async def law() -> None:
            moved = Moved()
            async with self.open(BUSY, moved=moved) as (http, far):
                for _ in range(200):
                    await http.send(moved.asking(), get(far))
                assert 215 <= len(far.heard) <= 223

        prove(law())

    def test_a_host_that_fails_is_left_alone_and_then_asked_by_one(self) -> None:
        async def law() -> None:
            moved = Moved()
            async with self.open(BUSY, policy=TOUCHY, moved=moved) as (http, far):
                for _ in range(5):
                    assert (await http.send(moved.asking(), get(far))).status == 503
                refused = await refusal(http.send(moved.asking(), get(far)))
                assert (refused.reason, refused.retry_after, len(far.heard)) == ("breaker_open", 10.0, 5)
                moved.now += 10.0
                far.program.clear()
                far.program.append(is_silent)
                probe = asyncio.create_task(http.send(moved.asking(), get(far)))
                await until(lambda: len(far.heard) == 6)
                assert (await refusal(http.send(moved.asking(), get(far)))).reason == "breaker_open"
                probe.cancel()
                await asyncio.gather(probe, return_exceptions=True)
                far.program.clear()
                far.program.append(OK)
                assert [(await http.send(moved.asking(), get(far))).status for _ in range(3)] == [200, 200, 200]

        prove(law())

    def test_a_probe_that_is_answered_too_largely_has_still_been_answered(self) -> None:
        async def law() -> None:
            moved = Moved()
            async with self.open(BUSY, policy=TOUCHY, moved=moved) as (http, far):
                for _ in range(5):
                    await http.send(moved.asking(), get(far))
                moved.now += 10.0
                far.program.clear()
                far.program.extend([HttpResponse(status=200, body=b"." * 2_000_000), OK])
                assert (await refusal(http.send(moved.asking(), get(far)))).reason == "too_large"
                answers = await asyncio.gather(*(http.send(moved.asking(), get(far)) for _ in range(10)))
                assert {answer.status for answer in answers} == {200}

        prove(law())

    def test_every_kind_of_fault_of_the_host_counts_and_no_other(self) -> None:
        async def law() -> None:
            moved = Moved()
            for behaviour, counts in ((resets, True), (HttpResponse(status=504), True), (HttpResponse(status=500), False)):
                async with self.open(behaviour, policy=TOUCHY, moved=moved) as (http, far):
                    for _ in range(6):
                        await asyncio.gather(http.send(moved.asking(), get(far)), return_exceptions=True)
                    assert len(far.heard) == (5 if counts else 6)

        prove(law())

    def test_a_caller_in_a_hurry_speaks_against_nobody(self) -> None:
        async def law() -> None:
            for granted, ends_as in ((10.0, "deadline"), (0.02, "breaker_open")):
                moved = Moved()
                async with self.open(is_silent, policy=structs.replace(TOUCHY, timeout_seconds=granted), moved=moved) as (
                    http,
                    far,
                ):
                    ends = [await refusal(http.send(moved.asking(0.02), get(far))) for _ in range(6)]
                assert ends[-1].reason == ends_as

        prove(law())

    def test_one_host_in_trouble_bars_no_other(self) -> None:
        async def law() -> None:
            moved = Moved()
            async with self.open(BUSY, policy=TOUCHY, moved=moved) as (http, sick), far_server() as well:
                well.program.append(OK)
                for _ in range(6):
                    await asyncio.gather(http.send(moved.asking(), get(sick)), return_exceptions=True)
                assert (await http.send(moved.asking(), get(well))).status == 200

        prove(law())

    def test_a_slow_host_takes_no_connection_from_another(self) -> None:
        async def law() -> None:
            moved = Moved()
            async with self.open(is_silent, moved=moved) as (http, slow), far_server() as well:
                well.program.append(OK)
                hanging = [asyncio.create_task(http.send(moved.asking(), get(slow))) for _ in range(600)]
                await until(lambda: any(task.done() for task in hanging))
                crowded = await refusal(next(task for task in hanging if task.done()))
                assert (crowded.reason, crowded.retry_after is not None) == ("deadline", True)
                assert (await http.send(moved.asking(), get(well))).status == 200
                assert slow.connections < 600
                for task in hanging:
                    task.cancel()
                await asyncio.gather(*hanging, return_exceptions=True)

        prove(law())

    def test_no_budget_means_no_retry(self) -> None:
        async def law() -> None:
            moved = Moved()
            policy = structs.replace(UNTRIED, retry_ratio_max=0.0)
            async with self.open(BUSY, OK, policy=policy, moved=moved) as (http, far):
                assert (await http.send(moved.asking(), get(far))).status == 503

        prove(law())
