"""The limit for calls on PostgreSQL: `limits/asgi.py` over `store_postgres`.

Run: python -m bench.limits.asgi_postgres PORT FOLDER   (the database by ARMATURE_POSTGRES_URL)
"""

import os
import sys
import uuid
from typing import Any

import uvicorn

from bench.limits.asgi import ENCODE, NAMED, App, Receive, Send, reply, tenant_of, whole_body
from bench.limits.store_postgres import PostgresStore

__all__ = ["PostgresApp"]


class PostgresApp(App):
    """The same routes; what was a read on the loop is awaited."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store: PostgresStore

    async def _route(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        etag, status = b"", 200
        if scope["method"] == "GET":
            if path == "/readyz":
                told = b"{}"
            else:
                counter = await self._store.get(tenant_of(scope), uuid.UUID(path[13:]))
                told, etag = ENCODE(counter), b'"%d"' % counter.version
        elif path == "/v1/counters":
            status, etag = 201, b'"1"'
            told = ENCODE(await self._store.create(tenant_of(scope), NAMED(await whole_body(receive)).name))
        else:
            told = await self._command(scope, await whole_body(receive))
        await reply(send, status, told, etag)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._store = PostgresStore(self._url)
        await self._store.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._store.close()
        await send({"type": "lifespan.shutdown.complete"})


if __name__ == "__main__":
    uvicorn.run(
        PostgresApp(os.environ["ARMATURE_POSTGRES_URL"]),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        date_header=False,
    )
