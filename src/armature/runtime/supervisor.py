"""Runs all processes of a topology on this machine: starts them, shows their lines, starts a fallen one again, leaves in order.

A child that takes requests leaves before those that do the work behind it. A second signal kills what is left.
"""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from msgspec import Struct

from armature.runtime import tether
from armature.runtime.children import Child, Restarts, ended

__all__ = ["PATIENT", "REFUSED", "Show", "Supervisor"]

REFUSED = 2
"""The exit code of a command that could not begin. A child that never began ends everything with it: a further start would not
do better, and nobody would read its words. One that has run before is started again: what refuses it now (a port that
somebody took meanwhile) may pass."""

PATIENT = 75
"""The exit code (EX_TEMPFAIL) of a child that ended because a server is away: it is started again for as long as it takes."""

# One that was told so early that it could not hear ends by the signal.
_CLEAN = (0, PATIENT, -signal.SIGTERM)

_LOOK_SECONDS = 0.05
_LINE_BYTES_MAX = 1_048_576
_LAST_LINES = 20

Command = Callable[[Child, int], list[str]]
"""The command line of a child; the number is its end of the tether."""


class Show(Struct, frozen=True):
    """Where the supervisor's words go: a child's line, its own word about a child, and that all are ready."""

    line: Callable[[Child, bytes], None]
    word: Callable[[Child, str], None]
    ready: Callable[[float], None]


class _Running:
    def __init__(self, child: Child) -> None:
        self.child = child
        self.restarts = Restarts()
        self.process: asyncio.subprocess.Process | None = None
        self.began = False
        """Whether it ended once without having been refused, and without waiting for a server."""
        self.last: deque[bytes] = deque(maxlen=_LAST_LINES)


class Supervisor:
    """`run` returns the exit code: 0 after a clean stop, 1 when a child was given up, left with an error or was killed.

    It is 2 when one could not begin; the words of that one are said last."""

    def __init__(self, children: Sequence[Child], command: Command, show: Show, *, grace_seconds: float) -> None:
        self._running = [_Running(child) for child in children]
        self._command = command
        self._show = show
        self._grace = grace_seconds
        self._leaving = asyncio.Event()
        self._killed = False
        self._refused: _Running | None = None
        self._code = 0

    async def run(self) -> int:
        """Run until told to stop, or until a child is given up."""
        began = time.monotonic()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told)
        theirs, ours = tether.hold()
        keepers = [asyncio.create_task(self._keep(one, theirs)) for one in self._running]
        announcing = asyncio.create_task(self._announce(began))
        try:
            await self._leaving.wait()
            await self._stop()
            done, _ = await asyncio.wait(keepers, timeout=self._grace)
            await asyncio.gather(*done)
        finally:
            announcing.cancel()
            self._kill()
            await asyncio.gather(announcing, *keepers, return_exceptions=True)
            os.close(ours)
            os.close(theirs)
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
        if self._refused is not None:
            self._repeat(self._refused)
            return REFUSED
        return self._code

    def pids(self) -> dict[str, int]:
        """Return the process id of each child that runs now."""
        return {one.child.name: one.process.pid for one in self._running if one.process and one.process.returncode is None}

    def _told(self) -> None:
        if self._leaving.is_set():
            self._kill()
        self._leaving.set()

    async def _keep(self, one: _Running, theirs: int) -> None:
        while not self._leaving.is_set():
            began = time.monotonic()
            code = await self._once(one, theirs)
            if self._leaving.is_set():
                self._left(one, code)
                return
            if code == REFUSED and not one.began:
                self._refused = self._refused or one
                self._show.word(one.child, "cannot begin, and no further start would; the others are stopped")
                self._leaving.set()
                return
            one.began = one.began or code != PATIENT
            delay = one.restarts.after(time.monotonic() - began, patient=code == PATIENT)
            if delay is None:
                self._show.word(one.child, f"ended with {ended(code)} too often; it is given up, and the others are stopped")
                self._code = 1
                self._leaving.set()
                return
            self._show.word(one.child, f"ended with {ended(code)}; it starts again in {delay:.1f} s")
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._leaving.wait()

    def _repeat(self, one: _Running) -> None:
        """What the others said while they left stands below its words by now."""
        lines = list(one.last)
        first = next((at for at, line in enumerate(lines) if line.startswith(b"armature ")), 0)
        for line in lines[first:]:
            self._show.line(one.child, line)

    def _left(self, one: _Running, code: int) -> None:
        """A child that fails on its way out may have left work undone: whoever asked us to stop must hear of it."""
        if code not in _CLEAN:
            self._code = 1
            self._show.word(one.child, f"left with {ended(code)}")

    async def _once(self, one: _Running, theirs: int) -> int:
        one.last.clear()
        one.process = await asyncio.create_subprocess_exec(
            *self._command(one.child, theirs),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(theirs,),
            limit=_LINE_BYTES_MAX,
            # A Ctrl-C in the terminal is for us alone; the children are told in order.
            start_new_session=True,
        )
        if self._killed:
            one.process.kill()
        elif self._leaving.is_set():  # it was starting when the others were asked
            one.process.terminate()
        assert one.process.stdout is not None
        await self._lines(one, one.process.stdout)
        return await one.process.wait()

    async def _lines(self, one: _Running, source: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await source.readline()
            except ValueError:  # longer than any line of ours; what was read of it is dropped
                continue
            if not line:
                return
            one.last.append(line.rstrip(b"\n"))
            self._show.line(one.child, one.last[-1])

    async def _stop(self) -> None:
        """Ask first those that take requests, and when they are gone the others."""
        for takes_requests in (True, False):
            group = [one for one in self._running if one.child.takes_requests == takes_requests]
            for one in group:
                if one.process is not None and one.process.returncode is None:
                    with suppress(ProcessLookupError):
                        one.process.terminate()
            until = time.monotonic() + self._grace
            while any(one.process and one.process.returncode is None for one in group):
                if time.monotonic() > until:
                    self._kill(group)
                await asyncio.sleep(_LOOK_SECONDS)

    def _kill(self, group: Sequence[_Running] | None = None) -> None:
        """End by force; `group` None: everybody, also one that is starting just now."""
        self._killed = self._killed or group is None
        for one in self._running if group is None else group:
            if one.process is not None and one.process.returncode is None:
                self._code = 1
                self._show.word(one.child, "does not leave in time and is killed")
                with suppress(ProcessLookupError):
                    one.process.kill()

    async def _announce(self, began: float) -> None:
        for one in self._running:
            while not await _ready(one.child.port):  # noqa: ASYNC110  (another process's readiness is asked)
                await asyncio.sleep(_LOOK_SECONDS)
        self._show.ready(time.monotonic() - began)


async def _ready(port: int) -> bool:
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return (await reader.readline()).split(b" ")[1:2] == [b"200"]
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
