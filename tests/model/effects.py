"""A policy key is believed when flipping it changes what is seen from outside.

    @effect_of("http.body_bytes_max", to="50", default=201, flipped=413)
    async def test_a_larger_body_is_refused(stage: Stage) -> int: ...

The body is an observation: it starts the system with the stage's variables, looks from outside and returns what it saw. It
runs twice, with the default and with `to`; both must see what they are told to see. `given` are variables of both runs, to
bring the system where the key matters. A key is claimed once; `test_effects.py` compares the claims with all keys.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import msgspec

from armature.runtime.model import Model, load
from armature.runtime.overrides import SETTABLE, variable
from armature.runtime.process import Listening, serve
from armature.runtime.wire import Given
from armature.testing.clock import Clock
from tests.edges.wire import Answer, Wire, until
from tests.model import probe

__all__ = ["CLAIMS", "LEVERS", "REPOSITORY", "Running", "Stage", "effect_of", "request"]

LEVERS = Path(__file__).parent / "levers"
REPOSITORY = Path(__file__).parents[2]

CLAIMS: dict[str, set[tuple[str, str]]] = {}
"""Key to the tests (file, name) that claim it."""

Test = Callable[[Path], Awaitable[None]]


class Running:
    """A system that serves, seen through its sockets and its database file."""

    def __init__(self, at: Listening, model: Model, clock: Clock) -> None:
        self.at = at
        self.model = model
        self.clock = clock
        self.port = at.public.port

    async def ask(self, line: str, body: Any = None, port: int | None = None, **headers: str) -> Answer:
        """Send one request on a connection of its own: `ask("GET /v1/open", x_actor="ann")`."""
        answer = await self.attempt(line, body, port, **headers)
        assert answer is not None, f"{line}: the connection ended instead of an answer"
        return answer

    async def attempt(self, line: str, body: Any = None, port: int | None = None, **headers: str) -> Answer | None:
        """As `ask`; None when the connection ends instead."""
        wire = await Wire.open(port or self.port)
        try:
            wire.send(request(line, body, **headers))
            return await wire.answer()
        finally:
            await wire.close()

    async def lever(self) -> str:
        """Put a lever up; return its path."""
        made = await self.ask("POST /v1/levers", {})
        return f"/v1/levers/{msgspec.json.decode(made.body)['id']}"

    async def metric(self, name: str) -> float | None:
        """Return a metric by its full line's beginning; None when it is not shown."""
        lines = (await self.ask("GET /metrics")).body.decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " ")), None)

    async def late(self) -> None:
        """Return when a call with one second to live has run out of it."""
        assert (await self.ask("GET /v1/patient")).status == 504

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Look into the database file."""
        db = self.outside()
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    async def write(self, sql: str) -> None:
        """Write into the database file, as another process would: it waits for ours, so it must not keep our loop."""

        def write() -> None:
            db = self.outside()
            try:
                db.execute(f"begin immediate; {sql}; commit")
            finally:
                db.close()

        await asyncio.to_thread(write)

    def outside(self) -> apsw.Connection:
        """Return another program's connection to the database file."""
        db = apsw.Connection(str(self.model.database_path))
        db.set_busy_timeout(20_000)
        return db

    async def swept(self) -> None:
        """Return when the sweeper has gone through everything once more than when we came.

        It begins with keys, and old rows of the inbox are next: a key that goes after such a row goes in a later round.
        """
        for table, row in (
            ("armature_inbox", "'effects', x'01', 0"),
            ("armature_keys", "'effects', x'01', x'', x'', 0, null, 1"),
        ):
            await self.write(f"insert into {table} values ({row})")
            ours = "consumer" if table == "armature_inbox" else "tenant_id"
            await until(partial(self._gone, f"select 1 from {table} where {ours} = 'effects'"))

    def _gone(self, sql: str) -> bool:
        return not self.rows(sql)


def request(line: str, body: Any = None, **headers: str) -> bytes:
    """Write a request; underscores in names of fields are hyphens."""
    content = b"" if body is None else msgspec.json.encode(body)
    fields = {"Host": "test", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body is not None:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{line} HTTP/1.1\r\n{head}\r\n".encode() + content


class Stage:
    """One run of an observation: variables, a data folder, and a moved clock."""

    def __init__(self, environ: Mapping[str, str], data: Path) -> None:
        self.environ = dict(environ)
        self.data = data
        self.root = LEVERS
        self.clock = Clock()
        self.task: asyncio.Task[None] | None = None

    def model(self, **flags: str) -> Model:
        """Read the model as a start would."""
        given = {"--data": str(self.data), **{f"--{name}": value for name, value in flags.items()}}
        return load(self.root, topology="single", environment="dev", flags=given, environ=self.environ)

    @asynccontextmanager
    async def serving(self, **flags: str) -> AsyncIterator[Running]:
        """Serve on a free port, with the roles of a process, until the block ends; an empty flag is none."""
        model = self.model(**{name: value for name, value in ({"port": "0"} | flags).items() if value})
        ready: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
        given = Given(now=self.clock.now, seconds=self.clock.seconds)
        self.task = asyncio.create_task(serve(model, self.environ, ready.set_result, given=given))
        await asyncio.wait((self.task, ready), return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            self.task.result()
        try:
            yield Running(ready.result(), model, self.clock)
        finally:
            self.task.cancel()
            with suppress(asyncio.CancelledError):
                await self.task


def effect_of(
    key: str, *, to: str, default: object, flipped: object, given: Mapping[str, str] | None = None
) -> Callable[[Callable[[Stage], Awaitable[object]]], Test]:
    """Claim a key: the observation must see `default` without and `flipped` with the key set to `to`."""
    assert key in SETTABLE, f"{key}: there is no such key"
    assert default != flipped, f"{key}: the test would pass with the default as well"
    assert key not in (given or {}), f"{key}: is given, so its default is not tried"

    def claim(observe: Callable[[Stage], Awaitable[object]]) -> Test:
        CLAIMS.setdefault(key, set()).add((observe.__module__.rpartition(".")[2], observe.__name__))

        async def test(tmp_path: Path) -> None:
            for name, extra, expected in (("default", {}, default), ("flipped", {key: to}, flipped)):
                probe.forget()
                values = {**(given or {}), **extra}
                environ = {variable(SETTABLE[one]): value for one, value in values.items()}
                seen = await observe(Stage(environ, tmp_path / name))
                assert seen == expected, f"{key} ({name}): seen {seen!r}, expected {expected!r}"

        test.__name__, test.__doc__ = observe.__name__, observe.__doc__
        return test

    return claim
