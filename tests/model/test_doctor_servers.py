"""The doctor asks servers for their settings: each that would fail a start or lose an event is named with its cure."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from armature.adapters.nats.inquiry import inquire
from armature.cli.main import main
from armature.kernel.refusals import Unavailable
from armature.runtime.diagnosis import Diagnosis
from armature.runtime.doctor_servers import examine_servers
from armature.runtime.vendors import Inquiry
from armature.testing.servers import LocalNats, LocalPostgres, LocalRedis, free_port
from tests.model.project import loaded, project

POSTGRES = {
    "server_version": "15.4 (Debian 15.4-1)",
    "server_version_num": "150004",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "max_connections": "100",
    "connections": "97",
    "standby": "false",
    "collation": "C",
    "encoding": "UTF8",
}
NATS = {"version": "2.9.10", "jetstream": "on", "stream": "absent"}
REDIS = {"version": "7.0.15", "mode": "standalone", "role": "master", "appendonly": "yes", "maxmemory-policy": "noeviction"}


def telling(settings: Mapping[str, str]) -> Callable[[], Awaitable[Mapping[str, str]]]:
    async def ask() -> Mapping[str, str]:
        return settings

    return ask


def judged(tmp_path: Path, vendor: str, ports: tuple[str, ...], settings: Mapping[str, str]) -> list[Diagnosis]:
    server = Inquiry(vendor, ports, f"{vendor}://me:secret@there/x", telling(settings))
    return asyncio.run(examine_servers(loaded(project(tmp_path)), [server]))


@pytest.mark.parametrize(
    ("vendor", "ports", "settings"),
    [("postgres", ("database",), POSTGRES), ("nats", ("bus", "signal"), NATS), ("redis", ("bus",), REDIS)],
)
def test_a_server_that_is_fit_shows_its_settings_and_hides_its_password(
    tmp_path: Path, vendor: str, ports: tuple[str, ...], settings: Mapping[str, str]
) -> None:
    (said,) = judged(tmp_path, vendor, ports, settings)
    assert said.status == "ok" and "secret" not in said.text and "me:****@there" in said.text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"server_version_num": "140009"}, "older than PostgreSQL 15"),
        ({"fsync": "off"}, "fsync is off"),
        ({"full_page_writes": "off"}, "full_page_writes is off"),
        ({"synchronous_commit": "off"}, "synchronous_commit is off"),
        ({"standby": "true"}, "standby"),
        ({"encoding": "LATIN1"}, "LATIN1"),
        ({"collation": "en_US.UTF-8"}, "sorts by en_US.UTF-8"),
        ({"connections": "18"}, "may hold 19 connections, and the server has 18"),
    ],
)
def test_a_database_that_would_lose_or_refuse_is_an_error(tmp_path: Path, change: Mapping[str, str], text: str) -> None:
    _, trouble = judged(tmp_path, "postgres", ("database",), {**POSTGRES, **change})
    assert trouble.status == "error" and text in trouble.text and trouble.cure


@pytest.mark.parametrize(
    ("vendor", "ports", "settings", "status", "text"),
    [
        ("nats", ("bus",), {**NATS, "version": "2.8.4"}, "error", "ignores settings"),
        ("nats", ("bus",), {**NATS, "jetstream": "off"}, "error", "JetStream is off"),
        ("nats", ("bus",), {**NATS, "stream": "asked for a=1, the server made it 2; update it"}, "error", "made it 2"),
        ("redis", ("bus",), {**REDIS, "appendonly": "no"}, "warning", "appendonly is off"),
        ("redis", ("bus", "cache"), {**REDIS, "maxmemory-policy": "allkeys-lru"}, "error", "thrown away"),
        ("redis", ("cache",), REDIS, "warning", "a full cache takes no more"),
        ("redis", ("limiter",), {**REDIS, "version": "6.0.1"}, "error", "6.0.1"),
        ("redis", ("signal",), {**REDIS, "mode": "cluster"}, "error", "cluster"),
        ("redis", ("signal",), {**REDIS, "role": "slave"}, "error", "replica"),
        ("redis", ("cache",), {"version": "7.2.0", "mode": "", "role": ""}, "warning", "does not tell"),
    ],
)
def test_a_broker_that_would_lose_events_is_named(
    tmp_path: Path, vendor: str, ports: tuple[str, ...], settings: Mapping[str, str], status: str, text: str
) -> None:
    _, trouble = judged(tmp_path, vendor, ports, settings)
    assert trouble.status == status and text in trouble.text and trouble.cure


def test_signals_need_no_jetstream(tmp_path: Path) -> None:
    assert [one.status for one in judged(tmp_path, "nats", ("signal",), {**NATS, "jetstream": "off"})] == ["ok"]


def test_a_server_that_is_away_is_named_by_its_ports_and_its_reason(tmp_path: Path) -> None:
    async def nobody() -> Mapping[str, str]:
        raise Unavailable(what="connection refused")

    server = Inquiry("redis", ("cache", "limiter"), "redis://:secret@there", nobody)
    (said,) = asyncio.run(examine_servers(loaded(project(tmp_path)), [server]))
    assert (said.about, said.status) == ("cache/limiter", "error")
    assert "connection refused" in said.text and "secret" not in said.text


def doctor(tmp_path: Path, *words: str) -> tuple[Result, dict[str, list[Diagnosis]]]:
    result = CliRunner().invoke(main, ["doctor", "--data", str(tmp_path), "--port", "0", "--json", *words])
    told: dict[str, list[Diagnosis]] = {}
    for one in json.loads(result.stdout):
        told.setdefault(one["about"], []).append(Diagnosis(**one))
    return result, told


def test_a_variable_that_is_not_set_is_one_answer_among_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARMATURE_POSTGRES_URL", raising=False)
    result, told = doctor(tmp_path, "--environment", "postgres")
    assert result.exit_code == 1
    assert told["python"][0].status == "ok"
    assert "ARMATURE_POSTGRES_URL" in told["database.url"][0].cure


def test_dead_addresses_are_found_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("ARMATURE_POSTGRES_URL", f"postgresql://me:secret@127.0.0.1:{port}/x")
    monkeypatch.setenv("ARMATURE_REDIS_URL", f"redis://127.0.0.1:{port}")
    result, told = doctor(tmp_path, "--topology", "fleet-redis")
    assert result.exit_code == 1 and "secret" not in result.output
    assert told["database"][0].status == told["bus/signal/cache/limiter"][0].status == "error"
    assert "migrations" not in told


@pytest.mark.slow
def test_real_servers_are_asked_and_pending_migrations_are_listed(
    tmp_path: Path,
    postgres: LocalPostgres,
    postgres_url: str,
    nats: LocalNats,
    redis: LocalRedis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARMATURE_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("ARMATURE_NATS_URL", nats.url)
    monkeypatch.setenv("ARMATURE_REDIS_URL", redis.url)
    result, told = doctor(tmp_path, "--topology", "fleet")
    assert result.exit_code == 0, result.output
    assert "synchronous_commit on, fsync on, collation C" in told["database"][0].text
    assert "jetstream on" in told["bus/signal"][0].text
    assert "maxmemory-policy noeviction" in told["cache/limiter"][0].text
    assert told["migrations"][0].status == "warning" and "armature/0001 is the first" in told["migrations"][0].text
    postgres.sql(f'alter database "{postgres_url.rpartition("/")[2]}" set synchronous_commit = off')
    result, told = doctor(tmp_path, "--topology", "fleet")
    assert result.exit_code == 1
    assert "set synchronous_commit = on" in told["database"][1].cure


@pytest.mark.slow
def test_a_nats_without_jetstream_is_no_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(LocalNats):
        def _prepare(self) -> None:
            super()._prepare()
            (self.folder / "nats.conf").write_text(f"listen: 127.0.0.1:{self.port}\n")

    monkeypatch.setenv("ARMATURE_POSTGRES_URL", f"postgresql://me@127.0.0.1:{free_port()}/x")
    monkeypatch.setenv("ARMATURE_REDIS_URL", f"redis://127.0.0.1:{free_port()}")
    with Plain() as server:
        monkeypatch.setenv("ARMATURE_NATS_URL", server.url)
        _, told = doctor(tmp_path, "--topology", "fleet")
    assert any("JetStream is off" in one.text for one in told["bus"])


@pytest.mark.slow
async def test_why_a_nats_cannot_be_used_is_said(nats: LocalNats) -> None:
    class Guarded(LocalNats):
        def _prepare(self) -> None:
            super()._prepare()
            with (self.folder / "nats.conf").open("a") as conf:
                conf.write('authorization { user: "armature", password: "right" }\n')

    async def said(url: str) -> str:
        with pytest.raises(Unavailable) as refused:
            await inquire(url, "here")
        return refused.value.what

    assert "Connect call failed" in await said(f"nats://127.0.0.1:{free_port()}")
    assert "not known" in await said("nats://nobody.invalid:4222")
    with Guarded() as server:
        assert "Authorization" in await said(server.url.replace("//", "//armature:wrong@"))
    nats.pause()
    try:
        assert "no answer within 3 s" in await said(nats.url)
    finally:
        nats.resume()


@pytest.mark.slow
def test_tables_that_cannot_be_looked_at_are_one_answer_among_the_others(
    tmp_path: Path, postgres: LocalPostgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARMATURE_POSTGRES_URL", postgres_url)
    migrated = CliRunner().invoke(main, ["migrate", "--topology", "single-postgres", "--data", str(tmp_path)])
    assert migrated.exit_code == 0, migrated.output
    name = postgres_url.rpartition("/")[2]
    postgres.sql(f'create role "{name}_weak" login')
    monkeypatch.setenv("ARMATURE_POSTGRES_URL", postgres.url(name, user=f"{name}_weak"))
    result, told = doctor(tmp_path, "--topology", "single-postgres")
    assert result.exit_code == 1 and told["python"][0].status == "ok"
    assert "permission denied for table armature_migrations" in told["migrations"][0].text
    # Lanes are named after their database, so one that got another name has none.
    postgres.sql(f'alter database "{name}" rename to "{name}_new"')
    monkeypatch.setenv("ARMATURE_POSTGRES_URL", postgres.url(f"{name}_new"))
    result, told = doctor(tmp_path, "--topology", "single-postgres")
    assert result.exit_code == 1 and told["migrations"][0].status == "ok"
    assert "there is no lane for armature" in told["database"][1].text and "armature migrate" in told["database"][1].cure


@pytest.mark.slow
def test_a_login_that_may_not_migrate_is_an_error_while_something_is_pending(
    tmp_path: Path, postgres: LocalPostgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = postgres_url.rpartition("/")[2]
    postgres.sql(f'create role "{name}_poor" login')
    monkeypatch.setenv("ARMATURE_POSTGRES_URL", postgres.url(name, user=f"{name}_poor"))
    result, told = doctor(tmp_path, "--topology", "single-postgres")
    assert result.exit_code == 1
    pending, tables, roles = told["migrations"]
    assert pending.status == "warning" and tables.status == roles.status == "error"
    assert "may not create tables" in tables.text and "database.owner_url" in tables.cure
    assert "may not create roles" in roles.text and "createrole" in roles.cure
    postgres.sql(f'grant create on schema public to "{name}_poor"; alter role "{name}_poor" createrole', name)
    result, told = doctor(tmp_path, "--topology", "single-postgres")
    assert (result.exit_code, len(told["migrations"])) == (0, 1), result.output
    migrated = CliRunner().invoke(main, ["migrate", "--topology", "single-postgres", "--data", str(tmp_path)])
    assert migrated.exit_code == 0, migrated.output


def test_a_server_that_is_slow_to_answer_is_asked_again(tmp_path: Path) -> None:
    asked: list[str] = []

    async def slow_at_first() -> Mapping[str, str]:
        asked.append("once")
        if len(asked) == 1:
            raise Unavailable(what="no answer within 3 s")
        return POSTGRES

    server = Inquiry("postgres", ("database",), "postgresql://me@there/x", slow_at_first)
    (said,) = asyncio.run(examine_servers(loaded(project(tmp_path)), [server]))
    assert said.status == "ok", said
