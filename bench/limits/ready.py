"""What answers `GET /readyz` for a process that speaks no HTTP otherwise, so that the bench knows when it may begin."""

import asyncio

__all__ = ["stay_ready"]

READY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


async def stay_ready(port: int) -> None:
    """Answer any request on this port with 200, until cancelled."""

    async def ready(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(READY)
        writer.close()

    server = await asyncio.start_server(ready, "127.0.0.1", port)
    await server.serve_forever()
