"""`armature run --servers`: a PostgreSQL, a NATS and a Redis of our own, kept running for as long as the system runs.

Loaded only when asked for: the servers come from the test tools, which take half a second to import.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from armature.kernel.refusals import Unavailable
from armature.testing.servers import Guard, Keeper, LocalNats, LocalPostgres, LocalRedis, LocalServer, MissingServer

__all__ = ["own_servers"]

_DATABASE = "armature"


@contextmanager
def own_servers(folder: Path, environment: str) -> Iterator[dict[str, str]]:
    """Start the servers an environment file refers to in `folder`, each on a free port; yields variables with their addresses.

    What a variable names already is left to whoever set it. One that ends is started again. Their data stays for the next start.
    """
    with ExitStack() as stack:
        found: dict[str, str] = {}
        _guard(stack, folder)

        def started(server: LocalServer) -> None:
            try:
                server.start()
            except (MissingServer, RuntimeError, OSError) as refused:
                # Whoever runs as root has servers that run as somebody else, who must be able to enter the folder.
                cure = f"its log is {server.folder}/log; --data names another folder"
                raise Unavailable(what=f"{server.name} cannot be started: {refused}; {cure}") from refused
            stack.callback(Keeper(server, _say).stop)
            _say(f"{server.name} runs on port {server.port}, data in {server.folder}")

        if "ARMATURE_POSTGRES_URL" in environment and "ARMATURE_POSTGRES_URL" not in os.environ:
            postgres = LocalPostgres(folder / "postgres")
            started(postgres)
            if not postgres.sql(f"select 1 from pg_database where datname = '{_DATABASE}'"):
                postgres.create_database(_DATABASE)
            found["ARMATURE_POSTGRES_URL"] = postgres.url(_DATABASE)
        if "ARMATURE_NATS_URL" in environment and "ARMATURE_NATS_URL" not in os.environ:
            nats = LocalNats(folder / "nats")
            started(nats)
            found["ARMATURE_NATS_URL"] = nats.url
        if "ARMATURE_REDIS_URL" in environment and "ARMATURE_REDIS_URL" not in os.environ:
            redis = LocalRedis(folder / "redis")
            started(redis)
            found["ARMATURE_REDIS_URL"] = redis.url
        yield found


def _guard(stack: ExitStack, folder: Path) -> None:
    """Servers end with us, however we end."""
    try:
        stack.callback(Guard(folder).stop)
    except RuntimeError as refused:
        raise Unavailable(what=f"the servers in {folder}: {refused}, or name another folder with --data") from refused


def _say(words: str) -> None:
    click.echo(words)
    sys.stdout.flush()
