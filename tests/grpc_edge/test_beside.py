"""What is served beside the operations: health, reflection, numbers and traces; and TLS."""

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_reflection.v1alpha.reflection import SERVICE_NAME

from tests.grpc_edge.certificate import certify
from tests.grpc_edge.conftest import Open, Site
from tests.grpc_edge.refusal import bare
from tests.grpc_edge.rig import address

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING

LISTED = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()


async def test_health_is_readiness_of_the_process_and_of_each_service(site: Open) -> None:
    async with site() as found:
        health = health_pb2_grpc.HealthStub(found.channel)
        for service in ("", "counter.v1.Counters"):
            assert (await health.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING
        strange = await bare(health.Check(health_pb2.HealthCheckRequest(service="strange")))
        assert strange.code() is grpc.StatusCode.NOT_FOUND
        found.system.health.reasons.append(lambda: ["something is away"])
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == NOT_SERVING


async def test_watchers_are_told_of_changes_and_let_go_at_the_end(site: Open) -> None:
    async with site() as found:
        health: Any = health_pb2_grpc.HealthStub(found.channel)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == SERVING
        reason = ["something is away"]
        found.system.health.reasons.append(lambda: reason)
        assert (await watching.read()).status == NOT_SERVING
        reason.clear()
        assert (await watching.read()).status == SERVING
        assert found.system.grpc is not None
        # A stream that has ended hands out nothing more, so it is read while the server leaves.
        told, _ = await asyncio.gather(watching.read(), found.system.grpc.drain(20.0))
        assert told.status == NOT_SERVING
        assert await watching.read() is grpc.aio.EOF


async def test_a_tool_that_knows_nothing_learns_and_calls(site: Open) -> None:
    async with site() as found:
        where = address(found.system)
        name, called = await asyncio.to_thread(_by_reflection, where)
        assert "counter.v1.Counters" in name and "grpc.health.v1.Health" in name
        assert called == {"value": 0, "counters": 0, "changes": 0}


def _by_reflection(where: str) -> tuple[list[str], dict[str, int]]:
    with grpc.insecure_channel(where) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        method = pool.FindServiceByName("counter.v1.Counters").FindMethodByName("Totals")
        call = channel.unary_unary("/counter.v1.Counters/Totals")
        answer = _class(method.output_type).FromString(call(_class(method.input_type)().SerializeToString()))
        return list(database.get_services()), {one.name: getattr(answer, one.name) for one in method.output_type.fields}


def _class(descriptor: Any) -> Any:
    return GetMessageClass(descriptor)


async def test_in_production_nobody_learns(site: Open, tmp_path: Path) -> None:
    off = {"HTTP__DEVELOPMENT_IDENTITY": "false", "HTTP__ERROR_DETAILS": "false", "DATA": str(tmp_path)}
    async with site(environment="production", **off) as found:
        # One request and no iterator of them: grpc's client may say INTERNAL when the refusal comes while it is still sending.
        asked = found.channel.unary_stream(f"/{SERVICE_NAME}/ServerReflectionInfo")(LISTED)
        assert (await bare(asked.read())).code() is grpc.StatusCode.UNIMPLEMENTED
        trusted = found.counters.Totals(found.messages.TotalsRequest(), metadata=(("x-actor", "ann"),))
        assert (await bare(trusted)).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_calls_are_counted_by_method_and_code(site: Open) -> None:
    async with site() as found:
        m = found.messages
        await found.counters.Totals(m.TotalsRequest())
        await bare(found.counters.Get(m.GetRequest()))
        families = {one.name: one for one in found.system.core.telemetry.collect()}
        service = "counter.v1.Counters"
        counted = {point.labels: point.value for point in families["grpc_requests_total"].points}
        assert counted == {(service, "Totals", "OK"): 1, (service, "Get", "INVALID_ARGUMENT"): 1}
        taken = {point.labels: point.buckets[-1] for point in families["grpc_request_duration_seconds"].points}
        assert (taken[service, "Totals"], taken[service, "Get"], taken[service, "Edit"]) == (1, 1, 0)
        assert b"grpc_requests_total{" in (await found.rest.get("/metrics")).body


async def test_a_trace_goes_through(site: Open) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with site() as found:
        created = found.messages.CreateRequest(name="a")
        await found.counters.Create(created, metadata=(("traceparent", trace),))
        (event,) = await found.system.core.log.after(0, 10)
        assert event.trace[3:35] == trace[3:35]


async def test_the_port_takes_tls_and_a_renewed_certificate(site: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    first = certify(certificate, key)
    async with site(GRPC__TLS_CERTIFICATE=str(certificate), GRPC__TLS_KEY=str(key)) as found:
        where = address(found.system)
        assert (await _totals(where, first, found.messages)).counters == 0
        plain = await bare(found.counters.Totals(found.messages.TotalsRequest()))
        assert plain.code() is grpc.StatusCode.UNAVAILABLE
        assert await _days(found) == pytest.approx(1 / 24, rel=0.1)
        # The process looks by itself when it begins, and does so once a day.
        assert caplog.text.count(f"the certificate {certificate} (grpc) ends at") == 1
        second = certify(certificate, key, hours=240)
        assert await _days(found) == pytest.approx(10, rel=0.1)
        assert (await _totals(where, second, found.messages)).counters == 0
        assert (await bare(_totals(where, first, found.messages))).code() is grpc.StatusCode.UNAVAILABLE


async def test_half_a_renewed_pair_is_not_taken_and_the_whole_one_is(
    site: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "armature.grpc")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    first = certify(certificate, key)
    async with site(GRPC__TLS_CERTIFICATE=str(certificate), GRPC__TLS_KEY=str(key)) as found:
        where = address(found.system)
        second = certify(tmp_path / "next.pem", tmp_path / "next.key")
        whole = (tmp_path / "next.pem").read_bytes()
        # Copied in place, piece by piece, as most tools do it.
        for half in (whole[: len(whole) // 2], whole):
            certificate.write_bytes(half)
            assert (await _totals(where, first, found.messages)).counters == 0
            assert (await _totals(where, first, found.messages)).counters == 0
        kept = [line for line in caplog.messages if "the pair in use is kept" in line]
        assert len(kept) == 2, "each state of the files is told of once, whoever asks"
        assert "cert.pem" in kept[0] and f"{key} is not the key of {certificate}" in kept[1]
        key.write_bytes((tmp_path / "next.key").read_bytes())
        assert (await _totals(where, second, found.messages)).counters == 0
        assert (await bare(_totals(where, first, found.messages))).code() is grpc.StatusCode.UNAVAILABLE
        assert "the certificate was renewed" in caplog.text


async def _days(found: Site) -> float:
    (line,) = re.findall(rb'^armature_certificate_days{door="grpc"} (.+)$', (await found.rest.get("/metrics")).body, re.MULTILINE)
    return float(line)


async def _totals(where: str, authority: bytes, messages: Any) -> Any:
    credentials = grpc.ssl_channel_credentials(authority)
    # Without a pool of its own a channel to the same address would use the connection of the one before.
    async with aio.secure_channel(where, credentials, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = channel.unary_unary("/counter.v1.Counters/Totals", lambda one: one.SerializeToString(), messages.Totals.FromString)
        return await call(messages.TotalsRequest())
