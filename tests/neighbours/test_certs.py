"""`armature certs dev` makes what processes show each other; the doctor says how long it is good."""

from functools import partial
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from armature.adapters.grpc.certificates import Authority
from armature.cli.main import main
from armature.runtime.certificates import days_left, watched
from armature.runtime.doctor_certificates import examine_certificates
from armature.runtime.model import Model, load
from tests.model.project import DEV, PRODUCTION, project

LAYERS = "processes: {edge: {modules: [], roles: [http]}, app: {modules: '*', roles: [neighbour]}}"
STRICT = """production: true
secrets: {keys.cursor: "env:KEY"}
policies: {http: {development_identity: false, error_details: false}}
"""
SHOWN = """neighbours:
  certificate: "{data}/certs/{process}.pem"
  key: "{data}/certs/{process}.key"
  authority: "{data}/certs/ca.pem"
"""

PORT = "processes: {app: {modules: '*', roles: [http, grpc]}}"
BOTH = "policies: {grpc: {tls_certificate: certs/api.pem, tls_key: certs/api.key}}"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of two processes, in whose folder commands are called."""
    project(tmp_path)
    (tmp_path / "modules").mkdir()
    (tmp_path / "platform/topologies/layers.yaml").write_text(LAYERS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dev(*words: str, environment: str = "dev") -> Result:
    return CliRunner().invoke(main, ["certs", "dev", "--topology", "layers", "--environment", environment, *words])


def model(root: Path) -> Model:
    return load(root, topology="layers", environment="dev", environ={}, flags={})


def said(root: Path) -> list[tuple[str, str]]:
    found = list(examine_certificates(model(root)))
    assert all(bool(one.cure) == (one.status != "ok") for one in found)
    return [(one.about, one.status) for one in found]


def names(file: Path) -> set[str]:
    found = x509.load_pem_x509_certificate(file.read_bytes())
    return set(found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName))


def test_each_process_of_the_topology_gets_a_certificate_with_its_name(root: Path) -> None:
    made = dev()
    assert (made.exit_code, made.stderr) == (0, "")
    certs = root / "data" / "certs"
    assert {one.name for one in certs.iterdir()} == {"ca.pem", "ca.key", "edge.pem", "edge.key", "app.pem", "app.key"}
    assert "app" in names(certs / "app.pem")
    assert "edge" not in names(certs / "app.pem")
    assert {one.name for one in certs.glob("*.key") if one.stat().st_mode & 0o077} == set(), "keys that others may read"


def test_what_it_prints_can_be_written_into_the_environment(root: Path) -> None:
    printed = dev().stdout
    assert SHOWN in printed
    (root / DEV).write_text(SHOWN)
    assert said(root) == [("certificate of edge", "ok"), ("certificate of app", "ok")]
    assert SHOWN not in dev().stdout


def test_a_second_call_renews_under_the_same_authority(root: Path) -> None:
    dev()
    certs = root / "data" / "certs"
    before = {one.name: one.read_bytes() for one in certs.iterdir()}
    assert dev("--process", "app", "--days", "3").exit_code == 0
    changed = {one.name for one in certs.iterdir() if one.read_bytes() != before[one.name]}
    assert changed == {"app.pem", "app.key"}
    (root / DEV).write_text(SHOWN)
    assert said(root) == [("certificate of edge", "ok"), ("certificate of app", "warning")]


def test_without_the_key_of_the_authority_nothing_is_made(root: Path) -> None:
    dev()
    certs = root / "data" / "certs"
    (certs / "ca.key").unlink()
    before = {one.name: one.read_bytes() for one in certs.iterdir()}
    refused = dev()
    assert refused.exit_code == 2
    assert "ca.key is not there and its other half is" in refused.stderr
    assert {one.name: one.read_bytes() for one in certs.iterdir()} == before


@pytest.mark.parametrize(
    ("words", "environment", "text"),
    [
        (["--process", "ap"], "dev", "topology 'layers' has no process 'ap'; it has edge, app"),
        ([], "production", "environment 'production' is production; let its own authority sign"),
        (["--days", "0"], "dev", "0 is not in the range"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_made(root: Path, words: list[str], environment: str, text: str) -> None:
    (root / PRODUCTION).write_text(STRICT)
    refused = dev(*words, environment=environment)
    assert (refused.exit_code, text in click.unstyle(refused.stderr)) == (2, True), refused.stderr
    assert not (root / "data").exists()


def test_the_doctor_names_certificates_that_nobody_made(root: Path) -> None:
    assert said(root) == [], "without TLS there is nothing to look at"
    (root / DEV).write_text(SHOWN)
    (found,) = examine_certificates(model(root))
    assert (found.status, found.cure) == ("error", "armature certs dev --topology layers")


def test_a_supervisor_says_at_once_which_certificates_cannot_be_used(root: Path) -> None:
    dev()
    certs = root / "data" / "certs"
    (root / DEV).write_text(SHOWN + BOTH)
    (root / "platform/topologies/layers.yaml").write_text(LAYERS.replace("[neighbour]", "[neighbour, grpc]"))
    (certs / "app.key").write_text("no key")
    refused = CliRunner().invoke(main, ["run", "--topology", "layers", "--port", "0"])
    assert refused.exit_code == 2
    assert refused.stderr.splitlines() == [
        f"armature run: {DEV}: grpc.tls_certificate: certs/api.pem: No such file or directory; "
        "`armature certs dev` makes certificates for this machine",
        f"{DEV}: neighbours.certificate: {certs}/app.key holds no key; it must be PEM without a password (BEGIN PRIVATE KEY)",
    ]
    assert refused.stdout == "", "nothing was started"


def test_the_doctor_names_certificates_that_would_not_work(root: Path) -> None:
    dev()
    (root / DEV).write_text(SHOWN)
    certs = root / "data" / "certs"
    Authority(certs, "layers").issue("edge", days=-1)
    (certs / "app.pem").write_bytes((certs / "edge.pem").read_bytes())
    found = {one.about: one for one in examine_certificates(model(root))}
    assert {one.status for one in found.values()} == {"error"}
    assert "edge.pem ended at" in found["certificate of edge"].text
    assert "is not the key of" in found["certificate of app"].text


def test_the_doctor_names_a_certificate_that_bears_another_name(root: Path) -> None:
    dev()
    (root / DEV).write_text(SHOWN)
    certs = root / "data" / "certs"
    for kind in ("pem", "key"):
        (certs / f"app.{kind}").write_bytes((certs / f"edge.{kind}").read_bytes())
    found = {one.about: one for one in examine_certificates(model(root))}
    assert (found["certificate of edge"].status, found["certificate of app"].status) == ("ok", "error")
    assert "it names edge, localhost and not 'app'" in found["certificate of app"].text


def test_the_doctor_warns_of_a_certificate_that_ends_soon(root: Path) -> None:
    (root / DEV).write_text(SHOWN)
    dev("--days", "15")
    assert said(root) == [("certificate of edge", "ok"), ("certificate of app", "ok")]
    dev("--days", "14", "--process", "app")
    assert said(root) == [("certificate of edge", "ok"), ("certificate of app", "warning")]


def test_a_process_counts_the_days_of_what_it_shows_and_half_a_renewal_is_not_believed(root: Path) -> None:
    (root / DEV).write_text(SHOWN)
    left = partial(days_left, watched(model(root), "app", linked=True, port=True))
    assert left() == {}, "there are no files yet"
    dev("--days", "20")
    assert left()[("neighbours",)] == pytest.approx(20, abs=0.1)
    key = root / "data" / "certs" / "app.key"
    whole = key.read_bytes()
    dev("--days", "40", "--process", "app")
    renewed = key.read_bytes()
    key.write_bytes(whole)
    assert left()[("neighbours",)] == pytest.approx(20, abs=0.1)
    key.write_bytes(renewed)
    assert left()[("neighbours",)] == pytest.approx(40, abs=0.1)
    assert watched(model(root), "app", linked=False, port=True) == {}


def test_the_doctor_judges_what_the_grpc_port_shows(root: Path) -> None:
    (root / "platform/topologies/layers.yaml").write_text(PORT)
    certs = root / "certs"
    Authority(certs, "layers").issue("api", days=14.5)
    assert said(root) == [], "without TLS there is nothing to look at"
    (root / DEV).write_text("policies: {grpc: {tls_certificate: certs/api.pem}}")
    assert said(root) == [("certificate of the gRPC port", "error")]
    (root / DEV).write_text(BOTH)
    assert said(root) == [("certificate of the gRPC port", "ok")]
    for days, status in ((13.5, "warning"), (-1, "error")):
        Authority(certs, "layers").issue("api", days=days)
        assert said(root) == [("certificate of the gRPC port", status)]
    (certs / "api.key").write_bytes((certs / "ca.key").read_bytes())
    (found,) = examine_certificates(model(root))
    assert (found.status, found.text) == ("error", "certs/api.key is not the key of certs/api.pem")


def test_the_command_tells_the_days_that_are_left(root: Path) -> None:
    dev("--days", "40")
    (root / DEV).write_text(SHOWN)
    printed = CliRunner().invoke(main, ["doctor", "--topology", "layers", "--port", "0"]).stdout
    assert "certificate of app: good until" in printed
    assert "39 days left" in printed
