"""What stands between a topology with role grpc and a process that plays it is said in one line, with its cure."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from armature.edges.http.server import CannotListen
from armature.runtime.children import children_of
from tests.grpc_edge.certificate import certify
from tests.grpc_edge.rig import ROOT, serving
from tests.model.project import loaded, project

WITHOUT = "import sys; sys.modules['grpc'] = None; from armature.cli.main import main; main(sys.argv[1:])"
BOTH = """
processes:
  web: {modules: "*", roles: [http, grpc, projector, sweeper], replicas: 2}
  calls: {modules: "*", roles: [grpc]}
"""


@pytest.mark.slow
def test_an_install_without_grpcio_says_how_to_get_it(tmp_path: Path) -> None:
    words = [sys.executable, "-c", WITHOUT, "run", "--topology", "dual", "--port", "0", "--data", str(tmp_path)]
    run = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    said = run.stdout + run.stderr
    assert "pip install 'armature[grpc]'" in said and "Traceback" not in said and len(said.strip().splitlines()) <= 2


async def test_half_a_certificate_is_refused(tmp_path: Path) -> None:
    for key, other in (("TLS_CERTIFICATE", "tls_key"), ("TLS_KEY", "tls_certificate")):
        with pytest.raises(CannotListen, match=f"grpc.{other} is missing"):
            async with serving(ROOT, tmp_path, {f"GRPC__{key}": "x.pem"}):
                pass


async def test_files_that_are_no_certificate_are_refused(tmp_path: Path) -> None:
    nothing, missing = tmp_path / "nothing.pem", tmp_path / "missing.pem"
    nothing.write_text("nothing")
    for key, words in ((missing, "cannot be read"), (nothing, "is no PEM file")):
        policies = {"GRPC__TLS_CERTIFICATE": str(nothing), "GRPC__TLS_KEY": str(key)}
        with pytest.raises(CannotListen, match=f"grpc.tls_key: .*{words}"):
            async with serving(ROOT, tmp_path / "data", policies):
                pass


async def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certify(certificate, tmp_path / "its.key")
    policies = {"GRPC__TLS_CERTIFICATE": str(certificate), "GRPC__TLS_KEY": str(key)}
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    for other in (ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()):
        for lock, words in (
            (serialization.NoEncryption(), f"{key} is not the key of {certificate}; put both there together"),
            (serialization.BestAvailableEncryption(b"word"), f"{key} holds no key; it must be PEM without a password"),
        ):
            key.write_bytes(other.private_bytes(*form, lock))
            with pytest.raises(CannotListen, match=re.escape(f"grpc.tls_key: {words}")):
                async with serving(ROOT, tmp_path / "data", policies):
                    pass


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    async with serving(ROOT, tmp_path / "one", {}) as first:
        assert first.grpc is not None
        port = first.grpc.address.rpartition(":")[2]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port} for gRPC"):
            async with serving(ROOT, tmp_path / "two", {"GRPC__PORT": port}):
                pass


def test_ports_for_grpc_count_up_over_all_processes(tmp_path: Path) -> None:
    children = children_of(loaded(project(tmp_path, single=BOTH), port="8000"))
    assert {child.name: (child.takes_requests, child.grpc_port) for child in children} == {
        "web.1": (True, 9090),
        "web.2": (True, 9091),
        "calls": (False, 9092),
    }
