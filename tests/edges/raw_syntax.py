"""Heads that two readers could read in two ways, or that are not HTTP at all."""

from tests.edges.raw_corpus import EMPTY, PLAIN, bad, good, request

__all__ = ["SYNTAX"]

LINES = [
    *bad(
        "bare-lf",
        400,
        "line_ending",
        {
            "everywhere": b"GET / HTTP/1.1\nHost: example.test\n\n",
            "after the request line": b"GET / HTTP/1.1\nHost: example.test\r\n\r\n",
            "between fields": b"GET / HTTP/1.1\r\nHost: example.test\nX-A: b\r\n\r\n",
            "before the empty line": b"GET / HTTP/1.1\r\nHost: example.test\n\r\n\r\n",
            "a lone CR in a value": b"GET / HTTP/1.1\r\nHost: example.test\r\nX-A: b\rX-B: c\r\n\r\n",
            "a lone CR before the colon": b"GET / HTTP/1.1\r\nHost: example.test\r\nX-A\r: b\r\n\r\n",
            "CR CR LF": b"GET / HTTP/1.1\r\r\nHost: example.test\r\n\r\n",
            "hides a length": b"POST / HTTP/1.1\r\nHost: example.test\r\nX: y\nContent-Length: 44\r\n\r\n" + PLAIN,
        },
    ),
    *good("bare-lf", {"one empty line before": b"\r\n" + PLAIN, "CR LF throughout": PLAIN}),
    *bad(
        "obs-fold",
        400,
        "folded_field",
        {
            "space": request(b"X-A: b", b" c"),
            "tab": request(b"X-A: b", b"\tc"),
            "only spaces": request(b"X-A: b", b"   "),
            "of a length": request(b"Content-Length:", b" 5", body=b"abcde"),
            "of a coding": request(b"Transfer-Encoding:", b" chunked", body=EMPTY),
            "of the first field": b"GET / HTTP/1.1\r\n Host: example.test\r\n\r\n",
        },
    ),
    *good("obs-fold", {"an empty value": request(b"X-A:", b"X-B: c"), "tabs around a value": request(b"X-A:\tb\t")}),
    *bad(
        "space-before-colon",
        400,
        "field_name",
        {
            "ordinary field": request(b"X-A : b"),
            "tab": request(b"X-A\t: b"),
            "length": request(b"Content-Length : 5", body=b"abcde"),
            "coding": request(b"Transfer-Encoding : chunked", body=EMPTY),
            "host": request(host=b"Host : example.test\r\n"),
            "inside the name": request(b"X A: b"),
            "no colon": request(b"X-A"),
            "no name": request(b": b"),
            "a character no token has": request(b"X(A): b"),
            "a byte beyond ASCII": request(b"X-\xc3\xa4: b"),
        },
    ),
    *good(
        "space-before-colon",
        {"no space after": request(b"X-A:b"), "every token character": request(b"!#$%&'*+-.^_`|~9: b")},
    ),
]

HOSTS = [
    *bad(
        "host",
        400,
        "host",
        {
            "missing": b"GET / HTTP/1.1\r\n\r\n",
            "missing beside others": b"GET / HTTP/1.1\r\nAccept: */*\r\nX-Host: example.test\r\n\r\n",
            "twice": request(b"Host: other.test"),
            "twice the same": request(b"Host: example.test"),
            "twice in other case": request(b"HOST: example.test"),
            "empty": request(host=b"Host:\r\n"),
            "a list": request(host=b"Host: example.test, other.test\r\n"),
            "with a path": request(host=b"Host: example.test/admin\r\n"),
            "with user information": request(host=b"Host: user@example.test\r\n"),
            "a port that is none": request(host=b"Host: example.test:http\r\n"),
            "an inner space": request(host=b"Host: example .test\r\n"),
        },
    ),
    *good(
        "host",
        {
            "port": request(host=b"Host: example.test:8080\r\n"),
            "IPv6": request(host=b"Host: [::1]:8080\r\n"),
            "last of the fields": request(b"Accept: a", b"Host: example.test", host=b""),
        },
    ),
    *good("host", {"HTTP/1.0 needs none": b"GET / HTTP/1.0\r\n\r\n"}, closes=True),
]

ABSOLUTE = [
    *bad(
        "absolute-form",
        400,
        "host",
        {
            "another host": request(line=b"GET http://other.test/ HTTP/1.1"),
            "another port": request(line=b"GET http://example.test:81/ HTTP/1.1"),
            "https port with http": request(line=b"GET http://example.test:443/ HTTP/1.1"),
            "a subdomain": request(line=b"GET http://a.example.test/ HTTP/1.1"),
            "no host field": request(line=b"GET http://example.test/ HTTP/1.1", host=b""),
        },
    ),
    *bad(
        "absolute-form",
        400,
        "target",
        {
            "user information": request(line=b"GET http://example.test@other.test/ HTTP/1.1"),
            "no authority": request(line=b"GET http:/// HTTP/1.1"),
            "another scheme": request(line=b"GET file:///etc/passwd HTTP/1.1"),
            "authority form": request(line=b"GET example.test:80 HTTP/1.1"),
        },
    ),
    *good(
        "absolute-form",
        {
            "same host": request(line=b"GET http://example.test/a?b HTTP/1.1"),
            "same host in capitals": request(line=b"GET HTTP://EXAMPLE.TEST/ HTTP/1.1"),
            "the default port": request(line=b"GET http://example.test:80/ HTTP/1.1"),
            "no path": request(line=b"GET http://example.test HTTP/1.1"),
            "only a query": request(line=b"GET http://example.test?a=b HTTP/1.1"),
            "asterisk": request(line=b"OPTIONS * HTTP/1.1"),
        },
    ),
]

REQUEST_LINES = [
    *bad(
        "request-line",
        400,
        "request_line",
        {
            "no version": request(line=b"GET /"),
            "two spaces": request(line=b"GET  / HTTP/1.1"),
            "a tab": request(line=b"GET\t/ HTTP/1.1"),
            "a space in the target": request(line=b"GET /a b HTTP/1.1"),
            "a space at the end": request(line=b"GET / HTTP/1.1 "),
            "a space at the beginning": request(line=b" GET / HTTP/1.1"),
            "a method that is no token": request(line=b"G@T / HTTP/1.1"),
            "version in small letters": request(line=b"GET / http/1.1"),
            "version without a dot": request(line=b"GET / HTTP/11"),
            "version with two digits": request(line=b"GET / HTTP/1.10"),
            "another protocol": request(line=b"GET / SIP/2.0"),
            "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        },
    ),
    *bad(
        "request-line",
        400,
        "target",
        {
            "no slash": request(line=b"GET things HTTP/1.1"),
            "a fragment": request(line=b"GET /a#b HTTP/1.1"),
            "a backslash": request(line=b"GET /a\\b HTTP/1.1"),
            "bytes beyond ASCII": request(line="GET /ä HTTP/1.1".encode()),
            "a control character": request(line=b"GET /\x01 HTTP/1.1"),
            "DEL": request(line=b"GET /\x7f HTTP/1.1"),
            "an encoded NUL": request(line=b"GET /a%00b HTTP/1.1"),
            "half an escape": request(line=b"GET /a%4 HTTP/1.1"),
            "asterisk with GET": request(line=b"GET * HTTP/1.1"),
        },
    ),
    *bad("request-line", 400, "line_ending", {"NUL in the target": request(line=b"GET /\x00 HTTP/1.1")}),
    *bad(
        "request-line",
        505,
        "version",
        {
            "HTTP/2.0": request(line=b"GET / HTTP/2.0"),
            "HTTP/1.2": request(line=b"GET / HTTP/1.2"),
            "HTTP/0.9": request(line=b"GET / HTTP/0.9"),
            "HTTP/2 with prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        },
    ),
    *bad(
        "request-line",
        501,
        "method",
        {
            "unknown": request(line=b"BREW / HTTP/1.1"),
            "small letters": request(line=b"get / HTTP/1.1"),
            "CONNECT": request(line=b"CONNECT example.test:443 HTTP/1.1"),
        },
    ),
    *bad(
        "field-characters",
        400,
        "line_ending",
        {"NUL in a value": request(b"X-A: b\x00c"), "NUL in a name": request(b"X\x00A: b")},
    ),
    *bad(
        "field-characters",
        400,
        "field_value",
        {
            "bell": request(b"X-A: \x07"),
            "DEL": request(b"X-A: \x7f"),
            "escape": request(b"X-A: \x1b[2J"),
            "form feed": request(b"X-A: b\x0cc"),
        },
    ),
    *bad("field-characters", 417, "expectation", {"unknown expectation": request(b"Expect: tea")}),
    *good("field-characters", {"bytes beyond ASCII in a value": request("X-A: ä".encode())}),
    *good(
        "request-line",
        {
            "escapes": request(line=b"GET /a%20b%C3%A4?c=%00&d=100% HTTP/1.1"),
            "brackets in the query": request(line=b"GET /a?filter[b]=c|d HTTP/1.1"),
        },
    ),
    *good("request-line", {"a pipeline": PLAIN * 3}, statuses=(200,) * 3),
]

SYNTAX = [*LINES, *HOSTS, *ABSOLUTE, *REQUEST_LINES]
