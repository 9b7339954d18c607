"""Processes of the tests here, as a test holds them."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.process.server import PROJECT

__all__ = ["Process"]


class Process:
    """A module of these tests in a process of its own; `crash` names a place and its passing."""

    def __init__(self, module: str, *words: str | Path | int, crash: str = "") -> None:
        environ = {**os.environ, **({"ARMATURE_CRASH": crash} if crash else {})}
        command = [sys.executable, "-m", f"tests.store.{module}", *map(str, words)]
        self.popen = subprocess.Popen(
            command, cwd=PROJECT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    async def said(self) -> str:
        """Return its next line."""
        assert self.popen.stdout is not None
        return (await asyncio.to_thread(self.popen.stdout.readline)).strip()

    def go(self) -> None:
        """Let it begin."""
        assert self.popen.stdin is not None
        self.popen.stdin.write("go\n")
        self.popen.stdin.flush()

    def kill(self) -> None:
        """End it as a power cut would end a process."""
        self.popen.kill()
        self.popen.wait()

    async def ended(self) -> int:
        """Wait for its end."""
        return await asyncio.to_thread(self.popen.wait, 60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None:
                stream.close()
