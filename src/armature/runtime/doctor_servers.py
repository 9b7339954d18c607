"""Are the servers of an environment there, and are they what the system needs? Each is asked for its settings and judged by them.

What makes a start fail or loses what was acknowledged is an error; what costs availability or speed is a warning.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from armature.engine.migrations import found, status
from armature.kernel.refusals import Unavailable
from armature.ports.migrator import Migrator, SchemaRefused
from armature.runtime.diagnosis import Diagnosis, error, ok, warning
from armature.runtime.environment import masked
from armature.runtime.model import Model
from armature.runtime.seating import connections
from armature.runtime.vendors import Inquiry

__all__ = ["examine_owner", "examine_schema", "examine_servers"]

# One that is fine may be slow to answer on a machine that starts everything at once; one that is not there says so at once.
_LOOKS = 2
_POSTGRES_MIN = 150_000
_NATS_MIN = (2, 9)
_REDIS_MIN = (6, 2)
_SORTED_AS_BYTES = ("C", "C.UTF-8", "C.utf8", "POSIX")


async def examine_servers(model: Model, servers: Sequence[Inquiry]) -> list[Diagnosis]:
    """Ask all servers at once; one that is away is an error with its address, without its password."""
    answers = await asyncio.gather(*(_answer(one) for one in servers))
    return [said for server, answer in zip(servers, answers, strict=True) for said in _judged(model, server, answer)]


def examine_schema(migrator: Migrator, modules: Sequence[tuple[str, Path]]) -> Diagnosis:
    """Where the database's tables stand beside the files."""
    try:
        standings = status(found(modules, migrator.dialect), migrator.applied())
    except SchemaRefused as refused:
        return error("migrations", str(refused), "bring files and database together, then: armature migrate --status")
    wrong = [f"{one.module}/{one.number:04} is {one.state}" for one in standings if one.state in ("changed", "missing")]
    if wrong:
        return error("migrations", ", ".join(wrong), "restore the files that were applied; armature migrate --status shows all")
    pending = [f"{one.module}/{one.number:04}" for one in standings if one.state == "pending"]
    if pending:
        text = f"{len(pending)} are pending, {pending[0]} is the first"
        return warning("migrations", text, "armature migrate (a start does it as well)")
    return ok("migrations", f"all {len(standings)} are applied")


async def examine_owner(owner: Inquiry) -> list[Diagnosis]:
    """Whether the login that migrates may do so, where something is pending."""
    answer = await _answer(owner)
    if isinstance(answer, str):
        return []  # it answered a moment ago, and a start says why it does not
    found = []
    where = masked(owner.address)
    if answer["creates_tables"] != "true":
        cure = "grant create on schema public to this login, or name the owner of the database as database.owner_url"
        found.append(error("migrations", f"the login of {where} may not create tables, and a start would have to", cure))
    if answer["has_lanes"] != "true":
        cure = "alter role … createrole, or let an administrator run what `armature migrate` prints"
        found.append(error("migrations", f"the login of {where} may not create roles, and lanes are missing", cure))
    return found


async def _answer(server: Inquiry) -> Mapping[str, str] | str:
    said = ""
    for _ in range(_LOOKS):
        try:
            return await server.ask()
        except Unavailable as away:
            said = away.what
    return said


def _judged(model: Model, server: Inquiry, answer: Mapping[str, str] | str) -> Iterator[Diagnosis]:
    about = "/".join(server.ports)
    if isinstance(answer, str):
        cure = "start it, correct the address in the environment, or look again when this machine has less to do"
        yield error(about, f"{server.vendor} at {masked(server.address)} cannot be used: {answer}", cure)
        return
    judge = {"postgres": _postgres, "nats": _nats, "redis": _redis}[server.vendor]
    troubles = list(judge(model, server, answer))
    version = answer.get("server_version") or answer.get("version", "")
    yield ok(about, f"{server.vendor} {version.split(' ')[0]} at {masked(server.address)}{_shown(answer)}")
    yield from troubles


def _shown(answer: Mapping[str, str]) -> str:
    told = ("synchronous_commit", "fsync", "collation", "jetstream", "appendonly", "maxmemory-policy")
    return "".join(f", {name} {answer[name]}" for name in told if name in answer)


def _postgres(model: Model, server: Inquiry, said: Mapping[str, str]) -> Iterator[Diagnosis]:
    about = server.ports[0]
    place = "for this database: alter database … set"
    for wrong, text, cure in (
        (int(said["server_version_num"]) < _POSTGRES_MIN, "it is older than PostgreSQL 15", "upgrade it"),
        (said["fsync"] != "on", "fsync is off: a power cut loses what was acknowledged", "set fsync = on"),
        (said["full_page_writes"] != "on", "full_page_writes is off: a power cut tears pages", "set full_page_writes = on"),
        (
            said["synchronous_commit"] == "off",
            "synchronous_commit is off: a crash loses what was acknowledged",
            f"{place} synchronous_commit = on",
        ),
        (said["standby"] == "true", "it is a standby and takes no writes", "give the address of the primary"),
        (said["encoding"] != "UTF8", f"the database is encoded as {said['encoding']}", "create it with encoding 'UTF8'"),
        (
            said["collation"] not in _SORTED_AS_BYTES,
            f"the database sorts by {said['collation']}, not as SQLite and Python do",
            "create it with lc_collate 'C' template template0",
        ),
    ):
        if wrong:
            yield error(about, text, cure)
    wanted, offered = connections(model), int(said["connections"])
    if wanted > offered:
        text = f"all processes together may hold {wanted} connections, and the server has {offered} for them"
        yield error(about, text, f"raise max_connections, or lower replicas or the pools ({_POOLS})")


_POOLS = "postgres.read_connections, postgres.write_connections"


def _nats(model: Model, server: Inquiry, said: Mapping[str, str]) -> Iterator[Diagnosis]:
    about = server.ports[0]
    if _numbers(said["version"]) < _NATS_MIN:
        yield error(about, f"NATS {said['version']} ignores settings that it does not know", "use 2.9 or newer")
    if "bus" not in server.ports:
        return
    if said["jetstream"] != "on":
        yield error(
            about, "JetStream is off: the server keeps no events", "start it with -js and a store_dir, or a jetstream block"
        )
    elif said["stream"] not in ("absent", "as asked"):
        text, _, cure = said["stream"].partition("; ")
        yield error(about, text, cure)


def _redis(model: Model, server: Inquiry, said: Mapping[str, str]) -> Iterator[Diagnosis]:
    about = server.ports[0]
    if _numbers(said["version"]) < _REDIS_MIN:
        yield error(about, f"Redis {said['version']} cannot claim abandoned messages", "use 6.2 or newer")
    if said["mode"] == "cluster":
        yield error(about, "it is a cluster, over which a script cannot reach all keys", "give the address of a single primary")
    if said["role"] not in ("master", ""):
        yield error(about, "it is a replica and takes no writes", "give the address of the primary")
    policy = said.get("maxmemory-policy")
    if policy is None:
        yield warning(about, "it does not tell its settings", "look for maxmemory-policy and appendonly at who hosts it")
        return
    if "bus" in server.ports:
        if policy != "noeviction":
            yield error(about, f"maxmemory-policy is {policy}: events may be thrown away", "set maxmemory-policy noeviction")
        if said["appendonly"] != "yes":
            text = "appendonly is off: after a restart all events are carried to it again"
            yield warning(about, text, "set appendonly yes")
    elif "cache" in server.ports and policy == "noeviction":
        # Without evictions a full cache refuses writes, and limits and signals beside it.
        yield warning(about, "maxmemory-policy is noeviction: a full cache takes no more", "set maxmemory-policy allkeys-lru")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
