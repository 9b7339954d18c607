"""Too much and too late: sizes, counts, deadlines and connections, each at a limit small enough to reach in a test."""

from tests.edges.raw_corpus import CHUNKED, EMPTY, PLAIN, Case, bad, good, request

__all__ = ["LIMITS"]

SOON = 0.25
HEAD_SOON = {"head_seconds": SOON}
BODY_SOON = {"body_seconds": SOON}
# Reached after the grace of one second; the deadline itself stays far away.
RATE = {"body_bytes_per_second_min": 1_000_000}
LONG = request(b"Content-Length: 1000000")

HEAD_DEADLINE = [
    *bad(
        "head-deadline",
        408,
        "head_timeout",
        {
            "one letter": b"G",
            "half a request line": b"GET /thin",
            "a request line alone": b"GET / HTTP/1.1\r\n",
            "no empty line": b"GET / HTTP/1.1\r\nHost: example.test\r\n",
            "half of the last line end": b"GET / HTTP/1.1\r\nHost: example.test\r\n\r",
            "an empty line and nothing more": b"\r\n",
        },
        policy=HEAD_SOON,
    ),
    *bad("head-deadline", 408, "head_timeout", {"dripped fields": PLAIN[:-2]}, drip=b"X-A: b\r\n", policy=HEAD_SOON),
    *bad("head-deadline", 408, "head_timeout", {"a dripped value": PLAIN[:-2] + b"X: "}, drip=b"a", policy=HEAD_SOON),
    Case(group="head-deadline", name="silence", send=b"", statuses=(), policy=HEAD_SOON),
    Case(
        group="head-deadline",
        name="half a second request",
        send=PLAIN + b"GET /",
        statuses=(200, 408),
        code="http:head_timeout",
        policy=HEAD_SOON,
    ),
    *good("head-deadline", {"in one piece": PLAIN}, policy={"head_seconds": 5.0}),
    *good("head-deadline", {"the second in two pieces": PLAIN + PLAIN[:9]}, then=PLAIN[9:], statuses=(200, 200)),
]

BODY_DEADLINE = [
    *bad(
        "body-deadline",
        408,
        "body_timeout",
        {
            "no body": request(b"Content-Length: 5"),
            "half a body": request(b"Content-Length: 5", body=b"ab"),
            "no chunk": request(CHUNKED),
            "half a chunk": request(CHUNKED, body=b"5\r\nab"),
            "no last chunk": request(CHUNKED, body=b"5\r\nabcde\r\n"),
            "an open trailer": request(CHUNKED, body=b"0\r\nX-A: b\r\n"),
        },
        policy=BODY_SOON,
    ),
    *bad("body-deadline", 408, "body_timeout", {"dripped": LONG}, drip=b"a", policy=BODY_SOON),
    *bad("body-deadline", 408, "body_too_slow", {"slow": LONG}, drip=b"a" * 64, policy=RATE),
    *bad("body-deadline", 408, "body_too_slow", {"slow chunks": request(CHUNKED)}, drip=b"1;a=b\r\na\r\n", policy=RATE),
    Case(
        group="body-deadline",
        name="the second request's body",
        send=PLAIN + request(b"Content-Length: 5"),
        statuses=(200, 408),
        code="http:body_timeout",
        policy=BODY_SOON,
    ),
    *good(
        "body-deadline",
        {"after 100-continue": request(b"Content-Length: 5", b"Expect: 100-continue")},
        then=b"abcde",
        statuses=(100, 200),
    ),
    *good(
        "body-deadline",
        {"in two pieces": PLAIN + request(b"Content-Length: 5", body=b"ab")},
        then=b"cde",
        statuses=(200, 200),
    ),
]

SMALL_HEAD = {"head_bytes_max": 1_000, "head_fields_max": 20, "url_bytes_max": 200}
FIELD = b"X-A: b"


def _head_of(size: int) -> bytes:
    return request(b"X-A: " + b"a" * (size - len(request(b"X-A: "))))


HEAD_SIZE = [
    *bad(
        "head-size",
        431,
        "head_too_large",
        {
            "one byte more": _head_of(1_001),
            "a large field": request(b"Cookie: " + b"a" * 5_000),
            "a large name": request(b"a" * 5_000 + b": b"),
            "never complete": request(b"Cookie: " + b"a" * 5_000)[:-2],
            "a megabyte": request(b"Cookie: " + b"a" * 1_000_000),
            "trailer fields": request(CHUNKED, body=b"0\r\n" + (b"X-A: " + b"a" * 300 + b"\r\n") * 4 + b"\r\n"),
            "chunk extensions": request(CHUNKED, body=(b"1;" + b"a" * 200 + b"\r\na\r\n") * 6 + EMPTY),
        },
        policy=SMALL_HEAD,
    ),
    *bad(
        "head-size",
        431,
        "too_many_fields",
        {"one field more": request(*[FIELD] * 20), "many": request(*[b"a:"] * 150)},
        policy=SMALL_HEAD,
    ),
    *bad("head-size", 431, "head_too_large", {"the default": request(b"Cookie: " + b"a" * 16_384)}),
    *bad("head-size", 431, "too_many_fields", {"the default for fields": request(*[FIELD] * 100)}),
    *good("head-size", {"exactly as large": _head_of(1_000), "exactly as many": request(*[FIELD] * 19)}, policy=SMALL_HEAD),
]

URL_SIZE = [
    *bad(
        "url-size",
        414,
        "url_too_long",
        {
            "a path": request(line=b"GET /" + b"a" * 200 + b" HTTP/1.1"),
            "a query": request(line=b"GET /?" + b"a" * 199 + b" HTTP/1.1"),
            "absolute form": request(line=b"GET http://example.test/" + b"a" * 200 + b" HTTP/1.1"),
            "escapes": request(line=b"GET /" + b"%41" * 70 + b" HTTP/1.1"),
            "never complete": b"GET /" + b"a" * 400,
            "beyond the head as well": request(line=b"GET /" + b"a" * 4_000 + b" HTTP/1.1"),
        },
        policy=SMALL_HEAD,
    ),
    *bad("url-size", 414, "url_too_long", {"the default": request(line=b"GET /" + b"a" * 8_192 + b" HTTP/1.1")}),
    *good("url-size", {"exactly as long": request(line=b"GET /" + b"a" * 199 + b" HTTP/1.1")}, policy=SMALL_HEAD),
]

SMALL_BODY = {"body_bytes_max": 100}
BODY_SIZE = [
    *bad(
        "body-size",
        413,
        "body_too_large",
        {
            "one byte more": request(b"Content-Length: 101", body=b"a" * 101),
            "announced only": request(b"Content-Length: 101"),
            "beyond all numbers": request(b"Content-Length: " + b"9" * 900),
            "announced with an expectation": request(b"Content-Length: 101", b"Expect: 100-continue"),
            "sent in full": request(b"Content-Length: 400000", body=b"a" * 400_000),
            "a large chunk": request(CHUNKED, body=b"65\r\n"),
            "a huge chunk": request(CHUNKED, body=b"FFFFFFFFFFFFFFFF\r\n"),
            "many small chunks": request(CHUNKED, body=b"1\r\na\r\n" * 101 + EMPTY),
        },
        policy=SMALL_BODY,
    ),
    *bad("body-size", 413, "body_too_large", {"the default": request(b"Content-Length: 1048577")}),
    *good(
        "body-size",
        {
            "exactly as large": request(b"Content-Length: 100", body=b"a" * 100),
            "exactly as large in chunks": request(
                CHUNKED, body=b"32\r\n" + b"a" * 50 + b"\r\n1\r\na\r\n31\r\n" + b"a" * 49 + b"\r\n" + EMPTY
            ),
        },
        policy=SMALL_BODY,
    ),
]

THREE = {"connections_max": 3}
TWO_EACH = {"connections_per_address_max": 2}
CONNECTIONS = [
    *bad("connections", 503, "too_many_connections", {"in all": PLAIN}, others=(PLAIN,) * 3, policy=THREE),
    *bad("connections", 503, "too_many_connections", {"silent ones count": PLAIN}, others=(b"",) * 3, policy=THREE),
    *bad("connections", 503, "too_many_connections", {"per address": PLAIN}, others=(PLAIN,) * 2, policy=TWO_EACH),
    *bad("connections", 503, "too_many_connections", {"half a head counts": PLAIN}, others=(b"GET",) * 2, policy=TWO_EACH),
    *bad("connections", 503, "too_many_connections", {"half a body counts": PLAIN}, others=(LONG,) * 2, policy=TWO_EACH),
    *bad("connections", 503, "too_many_connections", {"before a byte is sent": b""}, others=(PLAIN,) * 3, policy=THREE),
    *good("connections", {"the last place": PLAIN}, others=(PLAIN,) * 2, policy=THREE),
    *good(
        "connections",
        {"a proxy of ours": PLAIN},
        others=(PLAIN,) * 2,
        policy=TWO_EACH | {"trusted_proxies": ["127.0.0.0/8"]},
    ),
]

THREE_REQUESTS = {"requests_per_connection_max": 3}
CLOSE = request(b"Connection: close")
KEEP_ALIVE = [
    *good("keep-alive", {"requests run out": PLAIN * 3}, statuses=(200,) * 3, closes=True, policy=THREE_REQUESTS),
    *good("keep-alive", {"a pipeline beyond": PLAIN * 9}, statuses=(200,) * 3, closes=True, policy=THREE_REQUESTS),
    *good("keep-alive", {"silence afterwards": PLAIN}, closes=True, policy={"keep_alive_seconds": SOON}),
    *good("keep-alive", {"the client's close": CLOSE, "a request after close": CLOSE + PLAIN}, closes=True),
    *good("keep-alive", {"HTTP/1.0": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"}, closes=True),
    *good(
        "keep-alive",
        {"a flood of 20 000 requests": PLAIN * 20_000},
        statuses=(200,) * 50,
        closes=True,
        policy={"requests_per_connection_max": 50},
    ),
    *good("keep-alive", {"fifty in a row": PLAIN * 50}, statuses=(200,) * 50),
    *good(
        "keep-alive",
        {"two allowed, two sent": PLAIN * 2},
        statuses=(200,) * 2,
        policy=THREE_REQUESTS | {"requests_per_connection_max": 9},
    ),
]

LIMITS = [*HEAD_DEADLINE, *BODY_DEADLINE, *HEAD_SIZE, *URL_SIZE, *BODY_SIZE, *CONNECTIONS, *KEEP_ALIVE]
