"""Between processes both sides show a certificate. Who shows none, an old one or somebody else's is not served, and hears why."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from grpc import aio

from armature.adapters.grpc.tls import Tls, TlsRefused
from tests.neighbours.pair import Clock, Papers, answering, asking, told


@pytest.fixture
def ours(tmp_path: Path) -> Papers:
    return Papers(tmp_path / "ours", "app", "edge", "spy")


@pytest.fixture
def theirs(tmp_path: Path) -> Papers:
    """Certificates with the same names, signed by somebody else."""
    return Papers(tmp_path / "theirs", "app", "edge")


async def test_who_shows_a_good_certificate_is_answered(ours: Papers) -> None:
    async with answering(Tls(ours.of("app"), ["edge"])) as app, asking(app.address, Tls(ours.of("edge"), [])) as edge:
        assert await edge.ask("counter", b"hello", 20.0) == b"answer to hello"
        assert app.had == [b"hello"]


async def test_a_good_certificate_of_somebody_who_is_not_admitted_is_refused(ours: Papers) -> None:
    async with answering(Tls(ours.of("app"), ["edge"])) as app, asking(app.address, Tls(ours.of("spy"), [])) as spy:
        assert await told(spy) == ("LinkRefused", "'counter': this certificate names none of the processes that may ask")
        assert app.had == []


async def test_a_plain_connection_is_not_served(ours: Papers) -> None:
    async with answering(Tls(ours.of("app"), ["edge"])) as app, asking(app.address, None) as edge:
        kind, words = await told(edge)
        assert (kind, app.had) == ("NotSent", [])
        assert "process 'app' hung up at once: it may want a certificate, and neighbours.certificate is not set here" in words


async def test_a_client_without_a_certificate_is_not_served(ours: Papers) -> None:
    credentials = grpc.ssl_channel_credentials((ours.folder / "ca.pem").read_bytes())
    options = [("grpc.ssl_target_name_override", "app")]
    async with answering(Tls(ours.of("app"), ["edge"])) as app, aio.secure_channel(app.address, credentials, options) as channel:
        with pytest.raises(aio.AioRpcError) as refused:
            ask: Callable[..., Awaitable[bytes]] = channel.unary_unary("/armature.links.v1.Links/Ask")
            await ask(b"hello", timeout=20.0)
        assert (refused.value.code(), app.had) == (grpc.StatusCode.UNAVAILABLE, [])


async def test_a_certificate_that_somebody_else_signed_is_refused(ours: Papers, theirs: Papers) -> None:
    forged = Tls(theirs.of("edge", trusting=ours), [])
    async with answering(Tls(ours.of("app"), ["edge"])) as app, asking(app.address, forged) as edge:
        kind, words = await told(edge)
        assert (kind, app.had) == ("NotSent", [])
        assert "process 'app' took no certificate of ours" in words


async def test_a_server_that_somebody_else_signed_is_told_nothing(ours: Papers, theirs: Papers) -> None:
    forged = Tls(theirs.of("app", trusting=ours), ["edge"])
    async with answering(forged) as app, asking(app.address, Tls(ours.of("edge"), [])) as edge:
        kind, words = await told(edge)
        assert (kind, app.had) == ("NotSent", [])
        assert "the certificate of process 'app' was signed by nobody in neighbours.authority" in words


async def test_a_server_that_is_another_process_is_told_nothing(ours: Papers) -> None:
    async with answering(Tls(ours.of("spy"), ["edge"])) as spy, asking(spy.address, Tls(ours.of("edge"), [])) as edge:
        kind, words = await told(edge)
        assert (kind, spy.had) == ("NotSent", [])
        assert "who answers is not process 'app': its certificate bears other names" in words


async def test_a_server_without_tls_is_told_nothing(ours: Papers) -> None:
    async with answering(None) as app, asking(app.address, Tls(ours.of("edge"), [])) as edge:
        kind, words = await told(edge)
        assert (kind, app.had) == ("NotSent", [])
        assert "process 'app' answers without TLS; set neighbours.certificate there too" in words


async def test_who_shows_an_expired_certificate_is_refused_and_told_so(ours: Papers) -> None:
    ours.authority.issue("edge", days=-1)
    clock = Clock()
    clock.moved = -timedelta(days=2)
    expired = Tls(ours.of("edge"), [], clock.now)
    clock.moved = timedelta()
    async with answering(Tls(ours.of("app"), ["edge"])) as app, asking(app.address, expired) as edge:
        assert await told(edge) == ("NotSent", "'counter': our own certificate has expired; renew it")
        assert app.had == []


async def test_a_server_with_an_expired_certificate_is_told_nothing(ours: Papers) -> None:
    ours.authority.issue("app", days=-1)
    clock = Clock()
    clock.moved = -timedelta(days=2)
    async with answering(Tls(ours.of("app"), ["edge"], clock.now)) as app, asking(app.address, Tls(ours.of("edge"), [])) as edge:
        assert await told(edge) == ("NotSent", "'counter': the certificate of process 'app' has expired; renew it")
        assert app.had == []


def _nothing(papers: Papers) -> None:
    (papers.folder / "app.pem").unlink()


def _other_key(papers: Papers) -> None:
    (papers.folder / "app.key").write_bytes((papers.folder / "edge.key").read_bytes())


def _no_key(papers: Papers) -> None:
    (papers.folder / "app.key").write_bytes(b"sesame")


def _no_authority(papers: Papers) -> None:
    (papers.folder / "ca.pem").write_bytes((papers.folder / "app.key").read_bytes())


def _expired(papers: Papers) -> None:
    papers.authority.issue("app", days=-1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_nothing, r"app\.pem: No such file or directory; `armature certs dev` makes certificates"),
        (_other_key, r"app\.key is not the key of .*app\.pem; put both there together"),
        (_no_key, r"app\.key holds no key; it must be PEM without a password"),
        (_no_authority, r"ca\.pem holds no certificate; it must be PEM"),
        (_expired, r"app\.pem ended at .* UTC; renew it"),
    ],
)
def test_files_that_cannot_be_used_are_refused_at_the_start(ours: Papers, spoil: Callable[[Papers], None], words: str) -> None:
    spoil(ours)
    with pytest.raises(TlsRefused, match=words):
        Tls(ours.of("app"), ["edge"])
