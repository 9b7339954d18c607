"""The stronger place wins, and the model remembers which it was."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest
from msgspec import json

from armature.engine.policies import Policies
from armature.runtime.environment import Environment
from armature.runtime.model import ModelError, load
from armature.runtime.overrides import FLAGS, SETTABLE, variable
from armature.runtime.shape import Leaf, leaves
from tests.model.project import DEV, POLICIES, PRODUCTION, loaded, project, refusal

# Text of these keys has a form; another valid one cannot be made from the type alone.
OTHERS: dict[str, Any] = {
    "grpc.tls_certificate": "certificate.pem",
    "grpc.tls_key": "key.pem",
    "http.prefix": "/api/v{version}",
    "http.aliases": {"/ping": "/livez"},
    "http.cors_origins": ["https://a.example", "https://b.example"],
    "http.trusted_proxies": ["10.0.0.0/8"],
    "limits.default": "5/minute",
    "limits.operations": {"counter.reset": "1/minute"},
    "observe.otlp_endpoint": "http://127.0.0.1:4318",
    "outbound.allow_hosts": ["intranet.example"],
    "roles": {"counter.reader": ["counter:read"]},
}


def other(leaf: Leaf) -> Any:
    """A value that the key takes and that is not its default."""
    if leaf.key in OTHERS:
        return OTHERS[leaf.key]
    if isinstance(leaf.default, bool):
        return not leaf.default
    if get_origin(leaf.type) is Literal:
        return next(choice for choice in get_args(leaf.type) if choice != leaf.default)
    if isinstance(leaf.default, str):
        return leaf.default + "x"
    if leaf.default is None:
        return 1
    return leaf.default / 2 if isinstance(leaf.default, float) and leaf.default > 0 else leaf.default + 1


def typed(value: Any) -> str:
    return value if isinstance(value, str) else json.encode(value).decode()


def at(whole: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        whole = getattr(whole, part)
    return whole


@pytest.mark.parametrize("leaf", leaves(Policies), ids=lambda leaf: leaf.key)
def test_every_policy_arrives_through_its_variable(tmp_path: Path, leaf: Leaf) -> None:
    value = other(leaf)
    model = loaded(project(tmp_path), {variable(leaf): typed(value)})
    assert at(model.policies, leaf.path) == value != leaf.default
    assert model.origins[leaf.key] == variable(leaf)
    # And nothing else moved.
    section = msgspec.to_builtins(model.policies)
    target = section
    for part in leaf.path[:-1]:
        target = target[part]
    target[leaf.path[-1]] = leaf.default
    assert section == msgspec.to_builtins(Policies())


def test_no_two_keys_share_a_name_or_a_variable() -> None:
    keys = [leaf.key for leaf in (*leaves(Policies), *leaves(Environment))]
    assert len(keys) == len(set(keys))
    variables = [variable(leaf) for leaf in SETTABLE.values()]
    assert len(variables) == len(set(variables))
    assert set(FLAGS.values()) <= set(SETTABLE)


def test_each_place_wins_over_the_weaker_ones_and_is_remembered(tmp_path: Path) -> None:
    root = project(tmp_path, policies="http:\n  port: 1\n  host: a", dev="policies:\n  http:\n    port: 2")
    environ = {"ARMATURE_HTTP__PORT": "3"}

    def port(environ: dict[str, str], **flags: str) -> tuple[int, str]:
        model = loaded(root, environ, **flags)
        assert (model.policies.http.host, model.origins["http.host"]) == ("a", POLICIES)
        return model.policies.http.port, model.origins["http.port"]

    assert port(environ, port="4") == (4, "--port")
    assert port(environ) == (3, "ARMATURE_HTTP__PORT")
    assert port({}) == (2, DEV)
    assert loaded(root, environment="production", environ=_production()).origins["http.port"] == POLICIES
    assert loaded(root).origins["http.body_bytes_max"] == "default"


def test_a_list_or_mapping_is_replaced_whole(tmp_path: Path) -> None:
    root = project(tmp_path, policies="roles: {a: [x]}", dev="policies: {roles: {b: [y]}}")
    assert loaded(root).policies.roles == {"b": ["y"]}


def test_a_list_may_leave_out_its_brackets_in_a_variable(tmp_path: Path) -> None:
    model = loaded(project(tmp_path), {"ARMATURE_HTTP__CORS_ORIGINS": "https://a.example, https://b.example"})
    assert model.policies.http.cors_origins == ["https://a.example", "https://b.example"]
    assert loaded(tmp_path, {"ARMATURE_HTTP__CORS_ORIGINS": ""}).policies.http.cors_origins == []


def test_null_takes_a_value_away(tmp_path: Path) -> None:
    root = project(tmp_path, policies="limits: {default: 1/minute}\nhttp: {admin_port: 9}")
    model = loaded(root, {"ARMATURE_LIMITS__DEFAULT": "null", "ARMATURE_HTTP__ADMIN_PORT": "null"})
    assert (model.policies.limits.default, model.policies.http.admin_port) == (None, None)


WRONG = {
    "ARMATURE_HTTP__PROT": "ARMATURE_HTTP__PROT: no such key; did you mean 'ARMATURE_HTTP__PORT'?",
    "ARMATURE_HTTP_PORT": "ARMATURE_HTTP_PORT: no such key; did you mean 'ARMATURE_HTTP__PORT'?",
    "ARMATURE_HTTP__PORT": "ARMATURE_HTTP__PORT: http.port: expected int, found 'x'; for instance `port: 8080`",
    "ARMATURE_OBSERVE__LOG_LEVEL": "ARMATURE_OBSERVE__LOG_LEVEL: observe.log_level: expected one of debug, info, "
    "warning, error, found 'x'; known are: debug, error, info, warning",
    "ARMATURE_DATABASE__ADAPTER": "ARMATURE_DATABASE__ADAPTER: database.adapter: expected one of sqlite, postgres, found 'x'; "
    "known are: postgres, sqlite",
    "ARMATURE_HTTP__TRUSTED_PROXIES": "ARMATURE_HTTP__TRUSTED_PROXIES: http.trusted_proxies: 'x' does not appear to be "
    "an IPv4 or IPv6 network; write addresses or networks: 10.0.0.0/8",
}


@pytest.mark.parametrize(("name", "message"), WRONG.items())
def test_a_variable_that_cannot_be_understood_is_refused_by_its_name(tmp_path: Path, name: str, message: str) -> None:
    assert refusal(project(tmp_path), {name: "x"}) == [message]


ODD = ["", "null", "[", "{", "- a", "\t", "1e999", "9" * 5_000, "{a: b}", "!!python/x y", "a: b: c", "\udc80"]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_whatever_a_variable_carries_is_taken_or_refused_in_words(tmp_path: Path, text: str) -> None:
    root = project(tmp_path)
    for leaf in SETTABLE.values():
        try:
            loaded(root, {variable(leaf): text})
        except ModelError as error:
            assert all(problem.file == variable(leaf) and problem.cure for problem in error.problems)
            str(error).encode()


def test_a_variable_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    environ = {"ARMATURE_CURSOR_KEY": "s", "ARMATURE_HOME": "/opt", "HTTP__PORT": "x"}
    assert loaded(project(tmp_path), environ) == loaded(tmp_path)


@pytest.mark.parametrize("name", ["ARMATURE_PRODUCTION", "ARMATURE_NAME"])
def test_production_cannot_be_turned_off_from_outside(tmp_path: Path, name: str) -> None:
    root = project(tmp_path, production="production: true")
    model = loaded(root, {**_production(), name: "false"}, environment="production")
    assert model.environment.production


def test_a_flag_that_does_not_exist_is_refused_and_a_dotted_key_is_one(tmp_path: Path) -> None:
    assert refusal(project(tmp_path), pord="1") == ["--set --pord: no such key; did you mean '--port'?"]
    model = load(tmp_path, topology="single", environment="dev", environ={}, flags={"queries.reader_threads": "2"})
    assert model.policies.queries.reader_threads == 2
    assert model.origins["queries.reader_threads"] == "--set queries.reader_threads"


def test_the_data_folder_of_a_flag_starts_where_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "elsewhere"
    here.mkdir()
    monkeypatch.chdir(here)
    root = project(tmp_path / "project", dev="data: kept")
    assert loaded(root).data == root / "kept"
    assert loaded(root).database_path == root / "kept/armature.db"
    assert loaded(root, data="mine").database_path == here / "mine/armature.db"
    assert loaded(root, {"ARMATURE_DATA": "yours"}).data == here / "yours"


def _production() -> dict[str, str]:
    return {
        "ARMATURE_HTTP__DEVELOPMENT_IDENTITY": "false",
        "ARMATURE_HTTP__ERROR_DETAILS": "false",
        "ARMATURE_SECRETS__KEYS_CURSOR": "env:KEY",
    }


def test_production_refuses_what_only_development_may_do(tmp_path: Path) -> None:
    said = refusal(project(tmp_path, production="production: true"), environment="production")
    assert [line.split(": ")[1] for line in said] == [
        "http.development_identity",
        "http.error_details",
        "secrets.keys.cursor",
    ]
    environ = {**_production(), "ARMATURE_HTTP__DEVELOPMENT_IDENTITY": "true"}
    root = project(tmp_path, production="production: true")
    (line,) = refusal(root, environ, environment="production")
    assert line.startswith("ARMATURE_HTTP__DEVELOPMENT_IDENTITY: http.development_identity: is true")


NATS = "signal: {adapter: nats, url: nats://broker:4222}"
REDIS = "cache: {adapter: redis, url: redis://cache:6379/0}"
NEIGHBOURS = "neighbours: {transport: nats, url: nats://broker:4222}"


@pytest.mark.parametrize(
    ("shares", "shown"), [(NATS, "NATS"), (REDIS, "Redis"), (f"{NATS}\n{REDIS}", "NATS and Redis"), (NEIGHBOURS, "NATS")]
)
def test_production_on_servers_that_others_may_share_says_who_it_is(tmp_path: Path, shares: str, shown: str) -> None:
    root = project(tmp_path, production=f"production: true\n{shares}", dev=shares)
    (line,) = refusal(root, _production(), environment="production")
    assert line == (
        f"{PRODUCTION}: installation: is missing, and environment 'production' is production: names on {shown} would begin with "
        "a folder's; write `installation: NAME`; where one runs already, its project folder's name, and it keeps what is there"
    )
    named = project(tmp_path, production=f"production: true\ninstallation: shop\n{shares}", dev=shares)
    assert loaded(named, _production(), environment="production").installation == "shop"
    assert loaded(root, {**_production(), "ARMATURE_INSTALLATION": "shop"}, environment="production").installation == "shop"
    assert loaded(root).installation == tmp_path.name, "in development a folder's name will do"
