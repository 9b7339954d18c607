"""How each wire of the row `wires` is set up: which server answers on the first core, and which load asks from the last."""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.closed import Told
from bench.counters import make_counters
from bench.duel import Effort, drive
from bench.load import Job
from bench.rows.grpc_calls import BARE, OURS, told
from bench.serve import Server
from bench.servers import nats
from bench.targets import LIMIT, Target
from bench.targets_links import APP, BARE_OWNER, OWNER, WEB, at_nats, over_nats

__all__ = [
    "Field",
    "Load",
    "bare_asgi",
    "bare_grpc",
    "direct",
    "grpc",
    "link_grpc",
    "link_nats",
    "rest",
    "rest_of_store",
    "store_question",
    "store_unit",
    "unit_here",
]

Load = Callable[[int], Told]
"""What so many callers see in the seconds of this run."""


class Field:
    """What a run has started, all of it up until its end."""

    def __init__(self, stack: contextlib.ExitStack, effort: Effort) -> None:
        self._stack, self._effort = stack, effort
        self._up: dict[Target, Server] = {}
        self._counters: dict[Server, str] = {}
        self.seconds = effort.seconds

    def up(self, target: Target, folder: Path | None = None) -> Server:
        """Return the server, which is started when it is asked for the first time."""
        if target not in self._up:
            made = tempfile.TemporaryDirectory(dir=self._effort.data, ignore_cleanup_errors=True)
            fresh = Path(self._stack.enter_context(made))
            self._up[target] = self._stack.enter_context(Server(target, folder or fresh))
        return self._up[target]

    def counter(self, server: Server) -> str:
        """Return the id of the one counter there that everybody reads."""
        if server not in self._counters:
            (self._counters[server],) = make_counters(server, 1)
        return self._counters[server]

    def nats(self) -> str:
        """Start a NATS server and return where it is."""
        return self._stack.enter_context(nats(self._effort)).url


def direct(field: Field) -> Load:
    return lambda callers: told("bench.direct", str(field.seconds), str(callers))


def rest(field: Field) -> Load:
    return _http(field, field.up(OURS))


def bare_asgi(field: Field) -> Load:
    return _http(field, field.up(LIMIT))


def rest_of_store(field: Field) -> Load:
    return _http(field, field.up(WEB, field.up(OWNER).folder))


def grpc(field: Field) -> Load:
    return _grpc(field, field.up(OURS), field.counter(field.up(OURS)))


def bare_grpc(field: Field) -> Load:
    # It has one answer for all; only the length of the id counts.
    return _grpc(field, field.up(BARE), "0" * 36)


def link_grpc(field: Field) -> Load:
    return _process(field, field.up(APP), "bench.asked", "ours")


def link_nats(field: Field) -> Load:
    url = field.nats()
    return _process(field, field.up(over_nats(APP, url)), "bench.asked", "ours", **at_nats(url))


def store_question(field: Field) -> Load:
    return _process(field, field.up(BARE_OWNER), "bench.store_call", "question")


def store_unit(field: Field) -> Load:
    return _process(field, field.up(BARE_OWNER), "bench.store_call", "unit")


def unit_here(field: Field) -> Load:
    return _process(field, field.up(BARE_OWNER), "bench.store_call", "here")


def _http(field: Field, server: Server) -> Load:
    counter = field.counter(server)

    def load(callers: int) -> Told:
        server.settle()
        answers = drive(Job(port=server.port, kind="read", ids=[counter], callers=callers, seconds=field.seconds))
        refused = sum(answers.refused.values())
        return Told(answers.answered, field.seconds, refused, answers.p50_ms, answers.p99_ms, answers.busy_share)

    return load


def _grpc(field: Field, server: Server, counter: str) -> Load:
    def load(callers: int) -> Told:
        server.settle()
        return told("bench.grpc_load", str(server.port + 1), counter, str(callers), str(field.seconds))

    return load


def _process(field: Field, server: Server, module: str, what: str, **environment: str) -> Load:
    def load(callers: int) -> Told:
        server.settle()
        words = (what, str(field.seconds), str(callers), str(server.folder))
        return told(module, *words, environment=environment)

    return load
