"""One keep-alive connection of the load generator, on a bare socket.

An event loop costs as much per request as the servers under test; `recv`, one `find` and `send` leave room above
the fastest of them. Only what our targets answer is understood: a status line, headers and a Content-Length (or no body at all).
"""

import socket

__all__ = ["Broken", "Line"]

BODYLESS = (204, 304)


class Broken(Exception):
    """The server hung up, or answered something that this client cannot delimit."""


class Line:
    """A connection with at most one request in flight. `intended` is when that request should have left."""

    __slots__ = ("_buffer", "fileno", "intended", "read", "send", "sock")

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Requests are far smaller than the send buffer and one is in flight, so a send never blocks or splits.
        self.sock.settimeout(10)
        self.fileno = self.sock.fileno()
        self.read, self.send = self.sock.recv, self.sock.sendall
        self.intended = 0.0
        self._buffer = b""

    def take(self) -> int:
        """Read what arrived; return the status of a complete answer, 0 while it is incomplete."""
        data = self.read(65_536)
        if not data:
            raise Broken("the server closed the connection")
        if self._buffer:
            data = self._buffer + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or len(data) < end + 4 + self._body(data, end):
            self._buffer = data
            return 0
        self._buffer = b""
        return int(data[9:12])

    def close(self) -> None:
        self.sock.close()

    @staticmethod
    def _body(data: bytes, end: int) -> int:
        at = data.find(b"content-length: ", 0, end)
        if at < 0:
            head = data[:end].lower()
            at = head.find(b"content-length: ")
            if at < 0:
                if int(head[9:12]) in BODYLESS:
                    return 0
                raise Broken(f"an answer without Content-Length: {head[:200]!r}")
        stop = data.find(b"\r", at)
        return int(data[at + 16 : stop])
