"""The connection over which statements are compiled: a start binds module by module, and one connection serves it all.

A fresh one costs its process, its login and a cold catalogue each time; one kept for ever would be one more on the server's
count. So it is let go of a moment after the last statement.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Timer

from armature.adapters.postgres.session import Session

__all__ = ["BindingSession"]

_KEEP_SECONDS = 1.0


class BindingSession:
    """A session to `url` that is there while it is wanted. `close` may be called at any time, and again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: Session | None = None
        self._lock = Lock()
        self._end: Timer | None = None

    @contextmanager
    def taken(self) -> Iterator[Session]:
        """Give the session for the block's time; one in which something failed is not given again."""
        with self._lock:
            session = self._given()
            try:
                yield session
            except BaseException:
                self._leave()
                raise
            self._end = Timer(_KEEP_SECONDS, self.close)
            self._end.daemon = True
            self._end.start()

    def close(self) -> None:
        """Let go of the session."""
        with self._lock:
            self._leave()

    def _given(self) -> Session:
        if self._end is not None:
            self._end.cancel()
            self._end = None
        if self._session is None or not self._session.usable:
            self._leave()
            self._session = Session(self._url)
        return self._session

    def _leave(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None
        session, self._session = self._session, None
        if session is not None:
            session.close()
