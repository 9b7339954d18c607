"""Certificates are renewed while processes run: new connections use the new ones, and no call is dropped for it."""

import asyncio
import logging
from asyncio.subprocess import DEVNULL, PIPE
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from armature.adapters.grpc.shown import Expiry
from armature.adapters.grpc.tls import Tls
from armature.runtime.roles.certificates import LookingAtCertificates
from tests.neighbours.pair import Clock, Papers, answering, asking, told, until


@pytest.fixture
def ours(tmp_path: Path) -> Papers:
    return Papers(tmp_path / "ours", "app", "edge")


async def shown(papers: Papers, address: str) -> int:
    """Return the serial number of the certificate that a server shows on a new connection."""
    port = address.rpartition(":")[2]
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "app", "-alpn", "h2"]
    command += ["-cert", str(papers.folder / "edge.pem"), "-key", str(papers.folder / "edge.key")]
    asked = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    said, _ = await asked.communicate()
    return x509.load_pem_x509_certificate(said).serial_number


def serial(papers: Papers, process: str) -> int:
    return x509.load_pem_x509_certificate((papers.folder / f"{process}.pem").read_bytes()).serial_number


async def test_a_renewed_certificate_is_shown_on_the_next_connection(ours: Papers) -> None:
    async with answering(Tls(ours.of("app"), ["edge"])) as app:
        before = serial(ours, "app")
        assert await shown(ours, app.address) == before
        ours.authority.issue("app")
        assert await shown(ours, app.address) == serial(ours, "app") != before


async def test_calls_under_way_survive_the_renewal_of_both_sides(ours: Papers) -> None:
    tls = Tls(ours.of("edge"), [])
    async with answering(Tls(ours.of("app"), ["edge"])) as app, asking(app.address, tls) as edge:
        app.go.clear()
        before = tls.stamp
        first = asyncio.create_task(edge.ask("counter", b"first", 20.0))
        await until(lambda: app.had == [b"first"])
        for process in ("app", "edge"):
            ours.authority.issue(process)
        second = asyncio.create_task(edge.ask("counter", b"second", 20.0))
        await until(lambda: app.had == [b"first", b"second"])
        assert tls.stamp != before, "the renewal was not noticed"
        app.go.set()
        assert [await first, await second] == [b"answer to first", b"answer to second"]


async def test_an_authority_is_replaced_step_by_step_without_a_restart(ours: Papers, tmp_path: Path) -> None:
    new = Papers(tmp_path / "new", "app", "edge")
    app_tls, edge_tls = Tls(ours.of("app"), ["edge"]), Tls(ours.of("edge"), [])
    async with answering(app_tls) as app, asking(app.address, edge_tls) as edge:
        both = (ours.folder / "ca.pem").read_bytes() + (new.folder / "ca.pem").read_bytes()
        (ours.folder / "ca.pem").write_bytes(both)
        assert await edge.ask("counter", b"both are believed", 20.0)
        for process in ("app", "edge"):
            for kind in ("pem", "key"):
                (ours.folder / f"{process}.{kind}").write_bytes((new.folder / f"{process}.{kind}").read_bytes())
            assert await edge.ask("counter", process.encode(), 20.0)
        (ours.folder / "ca.pem").write_bytes((new.folder / "ca.pem").read_bytes())
        assert await edge.ask("counter", b"only the new one", 20.0)
        assert len(app.had) == 4
        old = Papers(tmp_path / "late", "edge")
        async with asking(app.address, Tls(old.of("edge", trusting=new), [])) as stranger:
            assert (await told(stranger))[0] == "NotSent"


async def test_half_a_renewal_is_not_taken_and_the_whole_one_is(ours: Papers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "armature.links")
    async with answering(Tls(ours.of("app"), ["edge"])) as app:
        before = serial(ours, "app")
        key = (ours.folder / "app.key").read_bytes()
        ours.authority.issue("app")
        new_key = (ours.folder / "app.key").read_bytes()
        (ours.folder / "app.key").write_bytes(key)
        assert await shown(ours, app.address) == before
        assert "the certificate in use is kept" in caplog.text
        assert "is not the key of" in caplog.text
        (ours.folder / "app.key").write_bytes(new_key)
        assert await shown(ours, app.address) == serial(ours, "app") != before
        assert "the certificate was renewed" in caplog.text


async def test_a_renewal_that_is_over_already_is_not_taken(ours: Papers, caplog: pytest.LogCaptureFixture) -> None:
    async with answering(Tls(ours.of("app"), ["edge"])) as app:
        before = serial(ours, "app")
        ours.authority.issue("app", days=-1)
        assert await shown(ours, app.address) == before
        assert "renew it" in caplog.text


async def test_a_certificate_that_ends_soon_is_told_of_once_a_day(ours: Papers, caplog: pytest.LogCaptureFixture) -> None:
    ours.authority.issue("app", days=16)
    clock, files = Clock(), ours.of("app")
    assert 0 < Tls(files, [], clock.now).seconds_left < 16 * 86_400
    looking = LookingAtCertificates({"neighbours": Expiry(files.certificate, files.key, clock.now)})

    async def said(hours: float) -> int:
        clock.moved = timedelta(hours=hours)
        caplog.clear()
        await looking.look()
        return caplog.text.count("app.pem (neighbours) ends at") + 100 * caplog.text.count("app.pem (neighbours) ended at")

    assert [await said(hours) for hours in (0, 47, 49, 60, 74, 99)] == [0, 0, 1, 0, 1, 1]
    ours.authority.issue("app", days=17)
    assert [await said(hours) for hours in (100, 101, 102)] == [1, 0, 0], "a renewal that is short is told of at once"
    ours.authority.issue("app", days=30)
    assert [await said(hours) for hours in (103, 127)] == [0, 0]
    assert [await said(24 * days) for days in (20, 30.1, 30.2, 31.2)] == [1, 100, 0, 100]
    late = LookingAtCertificates({"neighbours": Expiry(files.certificate, files.key, clock.now)})
    caplog.clear()
    await late.look()
    assert "ended at" in caplog.text, "who begins long after the end says so"
