"""A server that says what it is told to say, over real sockets, and remembers what it was asked: for answers that a healthy
server gives once in a hundred years."""

import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from armature.edges.http.problem import problem
from armature.kernel.failure import Failure

__all__ = ["Answer", "Answers", "Asked", "refusing"]


class Answer(Struct, frozen=True):
    """One answer; with `silent` nothing is said until the server ends."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = {}
    silent: bool = False


class Asked(Struct, frozen=True):
    """What came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def refusing(failure: Failure) -> Answer:
    """The answer that the HTTP edge gives for a failure."""
    made = problem(failure, instance="/", trace_id=None)
    headers = {name.decode(): value.decode() for name, value in made.headers}
    return Answer(made.status, made.body, {"content-type": "application/problem+json", **headers})


class Answers:
    """Gives the answers in their order, the last one for ever."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self.asked: list[Asked] = []
        self.ended = threading.Event()
        self._answers = list(answers)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next(self, asked: Asked) -> Answer:
        """Note what was asked and return what to say."""
        self.asked.append(asked)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def keys(self) -> Iterator[str]:
        """The idempotency keys that came, in their order."""
        return (one.headers.get("idempotency-key", "") for one in self.asked)


def _handler(answers: Answers) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        do_POST = do_PATCH = do_DELETE = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing on the test's output."""

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = answers.next(Asked(self.command, self.path, headers, body))
            if answer.silent:
                answers.ended.wait()
                self.close_connection = True
                return
            self.send_response(answer.status)
            bare = answer.status in (204, 304)
            for name, value in {**answer.headers, **({} if bare else {"content-length": str(len(answer.body))})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if bare else answer.body)

    return Handler
