"""Addresses of servers are looked up once, refused by name, and never repeated with their password."""

from pathlib import Path

import pytest

from armature.runtime.addresses import resolve_addresses
from armature.runtime.environment import masked
from armature.runtime.model import ModelError, load
from armature.runtime.plan import plan
from tests.model.project import DEV, loaded, project, refusal

POSTGRES = "database: {adapter: postgres, url: env:PLACE}"
PLACE = "postgresql://ann:hunter2@db.example/shop"


def test_an_address_is_fetched_from_where_the_environment_says(tmp_path: Path) -> None:
    root = project(
        tmp_path, dev=f"{POSTGRES}\nbus: {{adapter: nats, url: 'file:nats.txt'}}\nlimiter: {{adapter: redis, url: 'redis://h'}}"
    )
    (root / "nats.txt").write_text("nats://broker:4222\n")
    found = resolve_addresses(loaded(root), {"PLACE": PLACE})
    assert found.of("database.url") == PLACE
    assert found.of("bus.url") == "nats://broker:4222"
    assert found.of("limiter.url") == "redis://h"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "database.url: the variable PLACE is not set; set PLACE"),
        ({"PLACE": "hunter2"}, "database.url: what it refers to is no address of a postgres server"),
        ({"PLACE": "mysql://ann:hunter2@h/d"}, "database.url: what it refers to is no address of a postgres server"),
        ({"PLACE": "postgresql://ann:hunter2@h:port/d"}, "database.url: what it refers to is no address of a postgres server"),
    ],
)
def test_a_missing_or_malformed_address_stops_the_start_by_name(tmp_path: Path, environ: dict[str, str], message: str) -> None:
    model = loaded(project(tmp_path, dev=POSTGRES))
    with pytest.raises(ModelError) as raised:
        resolve_addresses(model, environ)
    said = str(raised.value)
    assert said.startswith(f"{DEV}: {message}") and "hunter2" not in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("database: {adapter: postgres}", "database.url: is missing, and postgres is a server"),
        ("bus: {url: 'nats://h'}", "bus.url: is given, and memory has no server"),
        (f"database: {{adapter: postgres, url: '{PLACE}'}}", "database.url: holds a password"),
        ("database: {adapter: postgres, url: hunter2}", "database.url: expected"),
        ("database: {adapter: postgres, url: [hunter2]}", "database.url: expected"),
        ("bus: {adapter: kafka}", "bus.adapter: expected one of memory, nats, redis"),
    ],
)
def test_a_binding_that_cannot_hold_is_refused_without_repeating_it(tmp_path: Path, text: str, message: str) -> None:
    (line,) = refusal(project(tmp_path, dev=text))
    assert line.startswith((f"{DEV}:1: {message}", f"{DEV}: {message}"))
    assert "hunter2" not in line


def test_the_plan_shows_where_a_server_is_and_no_password(tmp_path: Path) -> None:
    drawn = plan(loaded(project(tmp_path, dev=POSTGRES), {"PLACE": PLACE}), [])
    assert "hunter2" not in drawn.render(defaults=True) + drawn.to_json().decode()
    assert "env:PLACE" in drawn.render()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (PLACE, "postgresql://ann:****@db.example/shop"),
        ("redis://:pw@h/0", "redis://:****@h/0"),
        ("postgresql://h/d?password=pw&x=1", "postgresql://h/d?password=****&x=1"),
        ("nats://h:4222", "nats://h:4222"),
        ("env:NAME", "env:NAME"),
        ("redis://[pw", "****"),
    ],
)
def test_a_password_is_masked_and_the_rest_is_not(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_a_topology_names_its_environment_and_the_command_line_wins(tmp_path: Path) -> None:
    root = project(tmp_path, single="environment: production")

    def chosen(environment: str | None) -> str:
        return load(
            root, topology="single", environment=environment, environ={"ARMATURE_SECRETS__KEYS_CURSOR": "env:K"}
        ).environment.name

    assert chosen("dev") == "dev"
    assert chosen(None) == "production"
    assert load(project(tmp_path), topology="single", environment=None, environ={}).environment.name == "dev"
