"""A wire to PostgreSQL that can be cut at a chosen message, or in the middle of a COMMIT or of a statement that is its own
transaction: before it, behind it, or so that the server never learns that its client is gone."""

import asyncio
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["Cutter"]

_COMMIT = b"commit\0"
_BEGIN = b"begin;"
_TELLS = b"law.happened"
"""The type of the tests' events, among the values of a statement that writes them."""


class Cutter:
    """Passes everything through until it is armed; it cuts one connection, once, and counts how often it did.

    `at` is how many requests of a transaction pass before the cut (0: its begin is not sent). `commit` is `unsent` (the server
    sees the connection end), `half` (the server sees nothing at all) or `unanswered` (it commits, and its answer is lost);
    `whole` is the same for a statement that tells events outside of any transaction.
    """

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port
        self._path = url.rpartition("/")[2]
        self._links: set[asyncio.Task[None]] = set()
        self._open: list[asyncio.StreamWriter] = []
        self.at: int | None = None
        self.commit = ""
        self.whole = ""
        self.shut = False
        """After the cut nobody gets a connection any more."""
        self.cuts = 0
        self.refusing = False

    def __enter__(self) -> Self:
        # In a thread of its own, because `bind` waits for the server where it is called.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._link, "127.0.0.1", 0), self._loop).result()
        port = server.sockets[0].getsockname()[1]
        self.url = f"postgresql://postgres@127.0.0.1:{port}/{self._path}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _end(self) -> None:
        for writer in self._open:
            writer.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._open += [writer, far_writer]
        answers = asyncio.create_task(_pour(far_reader, writer))
        self._links.add(answers)
        requests = -1  # not in a writing transaction
        with suppress(OSError):
            while piece := await reader.read(1 << 20):
                requests = 0 if _BEGIN in piece else requests + 1 if requests >= 0 else -1
                if self.at == requests:
                    self._fired()
                    break
                how = self._how(piece, requests)
                if how:
                    self._fired()
                    answers.cancel()
                    if how == "unanswered":
                        far_writer.write(piece)
                        await far_reader.read(1)  # the transaction is over on the server
                    writer.close()
                    if how == "half":
                        return
                    break
                if _COMMIT in piece:
                    requests = -1
                far_writer.write(piece)
                await far_writer.drain()
        writer.close()
        far_writer.close()

    def _how(self, piece: bytes, requests: int) -> str:
        if requests < 0:
            return self.whole if _TELLS in piece else ""
        return self.commit if requests > 0 and _COMMIT in piece else ""  # a reading transaction may end as it likes

    def _fired(self) -> None:
        self.at, self.commit, self.whole = None, "", ""
        self.cuts += 1
        self.refusing = self.shut


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(1 << 20):
            writer.write(piece)
            await writer.drain()
    writer.close()
