"""Calls over a network: sends, repeats what may be repeated, walks pages and follows feeds.

The blocking twin of this file is made from it word by word, so that the two cannot differ.
"""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

import httpx2
import msgspec

from ._calls import Answered, Call, Operation, Options, Sent, Version, ask, etag, joined, repeatable
from ._events import EventParser, Happened
from ._pages import Page
from ._patience import Budget, Patience, Pause
from ._refusals import NoAnswer, Refused, TooLate, Unreadable, refused

__all__ = ["AsyncWire"]

T = TypeVar("T")

_POSITION = "armature-position"
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_CONNECT_SECONDS = 10.0


class AsyncWire:
    """One server. `position` is where this client's last command stands in the log, or in each log where there are several."""

    def __init__(self, url: str, options: Options, http: httpx2.AsyncClient | None) -> None:
        self.position: str | None = None
        self._url = url.rstrip("/")
        self._options = options
        self._budget = Budget(options)
        self._own = http is None
        self._http = http or httpx2.AsyncClient()

    async def aclose(self) -> None:
        """Give back the connections, unless they are somebody else's."""
        if self._own:
            await self._http.aclose()

    async def run(
        self, operation: Operation[T], arguments: Mapping[str, Any], call: Call | None, if_match: Version | None = None
    ) -> T:
        """Call an operation."""
        status, body, sent = await self._run(operation, arguments, call, {} if if_match is None else {"if-match": etag(if_match)})
        if status == 304:
            raise Unreadable("304 to a call that asked for no such thing", sent.request_id)
        return _decoded(operation.decode, body, sent)

    async def run_if_changed(
        self, operation: Operation[T], arguments: Mapping[str, Any], call: Call | None, if_none_match: Version
    ) -> T | None:
        """Call a query; None when the answer is still of that version."""
        status, body, sent = await self._run(operation, arguments, call, {"if-none-match": etag(if_none_match)})
        return None if status == 304 else _decoded(operation.decode, body, sent)

    async def each(self, operation: Operation[Page[T]], arguments: Mapping[str, Any], call: Call | None) -> AsyncIterator[T]:
        """Walk over all items, page by page, by cursor."""
        page = await self.run(operation, arguments, call)
        while True:
            for item in page.items:
                yield item
            cursor = page.next_cursor
            if not isinstance(cursor, str) or not cursor:
                return
            page = await self.run(operation, {**arguments, "cursor": cursor}, call)

    async def numbered(
        self, operation: Operation[Page[T]], arguments: Mapping[str, Any], call: Call | None, first: int
    ) -> AsyncIterator[Page[T]]:
        """Walk over numbered pages, the first one from 0."""
        number = first
        while True:
            page = await self.run(operation, {**arguments, "page": number}, call)
            yield page
            if page.last:
                return
            number += 1

    async def follow(
        self, feed: Operation[T], arguments: Mapping[str, Any], call: Call | None, after: str | None
    ) -> AsyncGenerator[Happened[T], None]:
        """Follow a feed for as long as somebody listens: each event once, over as many connections as it takes."""
        sent = ask(feed, arguments, call or Call(), self._options)
        pause = Pause(self._options)
        last = after or ""
        while True:
            parser = EventParser()
            asked: float | None = None
            try:
                async with self._http.stream(
                    "GET", self._url + sent.path, headers=self._to_follow(sent, last), timeout=self._quiet()
                ) as answer:
                    if answer.status_code != 200:
                        raise _refusal(feed, answer, await answer.aread(), sent)
                    async for piece in answer.aiter_bytes():
                        for block in parser.feed(piece):
                            pause.again()
                            last = block.id or last
                            if block.data is not None and block.type in feed.events:
                                yield Happened(last, block.type, _decoded(feed.events[block.type], block.data.encode(), sent))
            except httpx2.TransportError as error:
                trouble: NoAnswer | Refused = _no_answer(error, sent)
            except Refused as error:
                if not error.transient:
                    raise
                trouble = error
                asked = error.retry_after_seconds
            else:
                trouble = NoAnswer("the feed ended", sent.request_id)
            if pause.count >= self._options.feed_attempts_max:
                raise trouble
            await sleep(pause.next(parser.retry_seconds if asked is None else asked))

    async def _run(
        self, operation: Operation[T], arguments: Mapping[str, Any], call: Call | None, conditions: dict[str, str]
    ) -> tuple[int, bytes, Sent]:
        call = call or Call()
        sent = ask(operation, arguments, call, self._options)
        sent.headers.update(conditions)
        carried = self._position(operation, call)
        if carried is not None:
            sent.headers[_POSITION] = carried
        patience = Patience(self._options, self._budget, call.deadline_seconds)
        while True:
            try:
                answer, body = await self._attempt(sent, patience)
                return self._judge(operation, call, answer, body, sent)
            except (Refused, NoAnswer) as error:
                if call.position is None and carried is not None and _foreign(error):
                    # After a restore the log is another one; what it holds is all there is to wait for.
                    sent.headers.pop(_POSITION)
                    self.position = carried = None
                    continue
                wait = patience.wait(getattr(error, "retry_after_seconds", None)) if repeatable(operation, error) else None
                if wait is None:
                    raise
            await sleep(wait)

    async def _attempt(self, sent: Sent, patience: Patience) -> tuple[httpx2.Response, bytes]:
        body = bytearray()
        try:
            async with self._http.stream(
                sent.method,
                self._url + sent.path,
                headers=self._headers(sent),
                content=sent.body,
                timeout=max(patience.left, 0.001),
            ) as answer:
                async for piece in answer.aiter_bytes():
                    body += piece
                    if patience.left <= 0:
                        raise TooLate("the answer did not end within the deadline", sent.request_id, key=sent.key)
                return answer, bytes(body)
        except httpx2.TimeoutException as error:  # every time-out here is what is left until the deadline
            unsent = isinstance(error, _UNSENT)
            raise TooLate("no answer within the deadline", sent.request_id, key=sent.key, sent=not unsent) from error
        except httpx2.TransportError as error:
            raise _no_answer(error, sent) from error
        except httpx2.DecodingError as error:
            raise Unreadable(f"the answer is not encoded as it says: {error}", sent.request_id) from error

    def _judge(
        self, operation: Operation[T], call: Call, answer: httpx2.Response, body: bytes, sent: Sent
    ) -> tuple[int, bytes, Sent]:
        status = answer.status_code
        if status >= 400:
            raise _refusal(operation, answer, body, sent)
        if status >= 300 and status != 304:
            raise Unreadable(f"status {status}: give the client the address it leads to", sent.request_id)
        position = answer.headers.get(_POSITION)
        if position is not None and not operation.query:
            self.position = joined(self.position, position)
        if call.told is not None:
            replayed = answer.headers.get("idempotent-replayed") == "true"
            call.told(Answered(status, _named(answer, sent), replayed, position, answer.headers.get("etag")))
        return status, body, sent

    def _position(self, operation: Operation[T], call: Call) -> str | None:
        if not operation.query:
            return None
        return call.position or (self.position if self._options.read_own_writes else None)

    def _headers(self, sent: Sent) -> dict[str, str]:
        token = self._options.token
        text = token() if callable(token) else token
        return sent.headers if text is None else {**sent.headers, "authorization": f"Bearer {text}"}

    def _to_follow(self, sent: Sent, last: str) -> dict[str, str]:
        headers = {**self._headers(sent), "accept": "text/event-stream"}
        return {**headers, "last-event-id": last} if last else headers

    def _quiet(self) -> httpx2.Timeout:
        return httpx2.Timeout(_CONNECT_SECONDS, read=self._options.silence_seconds)


def _refusal(operation: Operation[T], answer: httpx2.Response, body: bytes, sent: Sent) -> Refused:
    asked = answer.headers.get("retry-after", "")
    wait = float(asked) if asked.isascii() and asked.isdigit() else None
    return refused(operation.refusals, answer.status_code, body, _named(answer, sent), wait)


def _named(answer: httpx2.Response, sent: Sent) -> str:
    named: str = answer.headers.get("x-request-id", sent.request_id)
    return named


def _no_answer(error: httpx2.TransportError, sent: Sent) -> NoAnswer:
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    return NoAnswer(text, sent.request_id, key=sent.key, sent=not isinstance(error, _UNSENT))


def _foreign(error: Refused | NoAnswer) -> bool:
    """Whether a position was refused that this client had kept."""
    return isinstance(error, Refused) and any(
        isinstance(one, dict) and str(one.get("path", "")).lower() == _POSITION for one in error.problem.members.get("errors", ())
    )


def _decoded(decode: Callable[[bytes], T], body: bytes, sent: Sent) -> T:
    try:
        return decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"the answer is not what the contract says: {error}", sent.request_id) from error
