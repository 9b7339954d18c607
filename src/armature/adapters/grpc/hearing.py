"""A conversation with one asker, as the answerer has it: messages come in bundles, each is answered when its answer is there.

It ends in order (OK) only when something was said to all that was taken: of what else was asked nothing has begun.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc
from grpc import aio

from armature.adapters.grpc.bundles import ANSWER, GREETING, LEAVING, LOST, REFUSED, Asked, Said, asked_in, saying
from armature.engine.eager_task import EagerTask
from armature.ports.links import Respond

__all__ = ["Hearing"]

log = logging.getLogger("armature.links")


class Hearing:
    """`run` it, and `end` it from elsewhere. `turned_away` is asked for each message and says whether we leave."""

    def __init__(self, context: Any, respond: Respond, turned_away: Callable[[], bool], bytes_max: int) -> None:
        self._context = context
        self._respond = respond
        self._turned_away = turned_away
        self._bytes_max = bytes_max
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Said] = deque()
        self._ready = asyncio.Event()
        self._in_hand: dict[int, EagerTask] = {}
        self._ending: asyncio.Future[None] = self._loop.create_future()
        self._over = False

    async def run(self) -> None:
        """Answer until the asker goes, or we do."""
        await self._context.write(GREETING)
        reading = self._loop.create_task(self._read(), name="link hearing, messages")
        writing = self._loop.create_task(self._write(), name="link hearing, answers")
        try:
            await asyncio.wait((reading, writing, self._ending), return_when=asyncio.FIRST_COMPLETED)
            self._over = True
            failed = any(one.done() and one.exception() is not None for one in (reading, writing))
            if self._in_hand or failed:
                await self._context.abort(grpc.StatusCode.UNAVAILABLE, "ended with messages in hand")
            self._ready.set()
            await writing
        finally:
            self._over = True
            for task in (reading, writing, *self._in_hand.values()):
                task.cancel()

    def end(self) -> None:
        """Take nothing more, say what is to be said, and end."""
        if not self._ending.done():
            self._ending.set_result(None)

    async def _read(self) -> None:
        while (bundle := await self._context.read()) is not aio.EOF:
            # Outside of this task: what answers at once needs no turn of its own there.
            self._loop.call_soon(self._take, asked_in(bundle))

    def _take(self, bundle: list[Asked]) -> None:
        if self._over:  # it ends in order, by which all this is known not to have begun
            return
        for number, message in bundle:
            if message is None:
                if (task := self._in_hand.get(number)) is not None:
                    task.cancel()
            elif self._turned_away():
                self._say((number, LEAVING, b""))
            else:
                task = self._in_hand[number] = EagerTask(self._work(number, message), self._loop)
                task.begin()

    async def _work(self, number: int, message: bytes) -> None:
        try:
            answer = await self._respond(message)
        except asyncio.CancelledError:
            self._say((number, LOST, b"its work was ended"))
            raise
        except Exception as error:
            log.exception("a message was answered with a bug")
            self._say((number, LOST, f"{type(error).__name__} where it was answered".encode()))
        else:
            if len(answer) > self._bytes_max:
                self._say((number, REFUSED, f"the answer has {len(answer)} bytes".encode()))
            else:
                self._say((number, ANSWER, answer))
        finally:
            del self._in_hand[number]

    def _say(self, one: Said) -> None:
        self._queue.append(one)
        self._ready.set()

    async def _write(self) -> None:
        while self._queue or not self._over:
            if not self._queue:
                self._ready.clear()
                await self._ready.wait()
                continue
            await self._context.write(saying(self._queue))
