"""Lies about where a request ends: two lengths, odd numbers, codings nobody knows, chunks out of shape."""

from tests.edges.raw_corpus import CHUNKED, EMPTY, PLAIN, bad, good, request

__all__ = ["FRAMING"]

BOTH_LENGTHS = [
    *bad(
        "cl-te",
        400,
        "framing",
        {
            "length first": request(b"Content-Length: 5", CHUNKED, body=EMPTY),
            "coding first": request(CHUNKED, b"Content-Length: 5", body=EMPTY),
            "length zero hides a second request": request(b"Content-Length: 0", CHUNKED, body=EMPTY + PLAIN),
            "names in capitals": request(b"CONTENT-LENGTH: 5", b"TRANSFER-ENCODING: CHUNKED", body=EMPTY),
            "fields between": request(b"Content-Length: 5", b"Accept: */*", b"X-A: b", CHUNKED, body=EMPTY),
            "coding that is not chunked": request(b"Content-Length: 5", b"Transfer-Encoding: gzip", body=b"abcde"),
        },
    ),
    *bad("cl-te", 400, "framing", {"on HTTP/1.0": request(CHUNKED, line=b"POST / HTTP/1.0", body=EMPTY)}),
    *good(
        "cl-te",
        {
            "length alone": request(b"Content-Length: 5", body=b"abcde"),
            "coding alone": request(CHUNKED, body=b"5\r\nabcde\r\n" + EMPTY),
            "names that only contain the words": request(b"X-Content-Length: 9", b"X-Transfer-Encoding: chunked"),
        },
    ),
]

LENGTHS = [
    *bad(
        "duplicate-cl",
        400,
        "framing",
        {
            "two different": request(b"Content-Length: 3", b"Content-Length: 5", body=b"abcde"),
            "two equal": request(b"Content-Length: 5", b"Content-Length: 5", body=b"abcde"),
            "spelled differently": request(b"Content-Length: 5", b"content-length: 5", body=b"abcde"),
            "with a field between": request(b"Content-Length: 5", b"Accept: a", b"Content-Length: 6", body=b"abcde"),
            "three": request(*[b"Content-Length: 5"] * 3, body=b"abcde"),
        },
    ),
    *bad(
        "duplicate-cl",
        400,
        "content_length",
        {
            "a list": request(b"Content-Length: 5, 5", body=b"abcde"),
            "signed plus": request(b"Content-Length: +5", body=b"abcde"),
            "negative": request(b"Content-Length: -5", body=b"abcde"),
            "hexadecimal": request(b"Content-Length: 0x5", body=b"abcde"),
            "empty": request(b"Content-Length:", body=b"abcde"),
            "inner space": request(b"Content-Length: 5 5", body=b"abcde"),
            "a fraction": request(b"Content-Length: 5.0", body=b"abcde"),
            "other digits": request("Content-Length: \u0665".encode(), body=b"abcde"),
        },
    ),
    *good(
        "duplicate-cl",
        {
            "spaces around": request(b"Content-Length: \t 5 \t", body=b"abcde"),
            "leading zeros": request(b"Content-Length: 005", body=b"abcde"),
            "zero": request(b"Content-Length: 0"),
        },
    ),
]

CODINGS = [
    *bad(
        "unknown-te",
        501,
        "transfer_coding",
        {
            "gzip": request(b"Transfer-Encoding: gzip", body=EMPTY),
            "identity": request(b"Transfer-Encoding: identity", body=EMPTY),
            "xchunked": request(b"Transfer-Encoding: xchunked", body=EMPTY),
            "gzip then chunked": request(b"Transfer-Encoding: gzip, chunked", body=EMPTY),
            "chunked then identity": request(b"Transfer-Encoding: chunked, identity", body=EMPTY),
            "chunked twice": request(b"Transfer-Encoding: chunked, chunked", body=EMPTY),
            "with a parameter": request(b"Transfer-Encoding: chunked;q=1", body=EMPTY),
            "quoted": request(b'Transfer-Encoding: "chunked"', body=EMPTY),
            "empty": request(b"Transfer-Encoding:", body=EMPTY),
        },
    ),
    *bad("unknown-te", 400, "framing", {"two fields": request(CHUNKED, b"Transfer-Encoding: identity", body=EMPTY)}),
    *bad("unknown-te", 400, "field_value", {"vertical tab": request(b"Transfer-Encoding: \x0bchunked", body=EMPTY)}),
    *good(
        "unknown-te",
        {
            "in capitals": request(b"Transfer-Encoding: CHUNKED", body=EMPTY),
            "a TE field is about the answer": request(b"TE: gzip", b"Connection: TE"),
        },
    ),
]

CHUNKS = [
    *bad(
        "chunking",
        400,
        "chunk",
        {
            name: request(CHUNKED, body=body)
            for name, body in {
                "negative size": b"-5\r\nabcde\r\n" + EMPTY,
                "signed size": b"+5\r\nabcde\r\n" + EMPTY,
                "0x size": b"0x5\r\nabcde\r\n" + EMPTY,
                "no size": b"\r\nabcde\r\n" + EMPTY,
                "letters": b"xyz\r\nabcde\r\n" + EMPTY,
                "space before the size": b" 5\r\nabcde\r\n" + EMPTY,
                "space after the size": b"5 \r\nabcde\r\n" + EMPTY,
                "bare LF after the size": b"5\nabcde\r\n" + EMPTY,
                "bare LF after the data": b"5\r\nabcde\n" + EMPTY,
                "data longer than the size": b"3\r\nabcde\r\n" + EMPTY,
                "data shorter than the size": b"8\r\nabcde\r\n" + EMPTY + b"\r\n",
                "seventeen digits": b"1" + b"0" * 16 + b"\r\nabcde\r\n" + EMPTY,
                "a long size line": b"5;" + b"a" * 300 + b"\r\nabcde\r\n" + EMPTY,
                "a lone CR in an extension": b"5;a\rb\r\nabcde\r\n" + EMPTY,
                "a NUL in an extension": b"5;a=\x00\r\nabcde\r\n" + EMPTY,
                "a trailer without a colon": b"0\r\nX-A\r\n\r\n",
                "a space before a trailer's colon": b"0\r\nX-A : b\r\n\r\n",
                "a folded trailer": b"0\r\nX-A: b\r\n c\r\n\r\n",
            }.items()
        },
    ),
    *good(
        "chunking",
        {
            name: request(CHUNKED, body=body)
            for name, body in {
                "two chunks": b"3\r\nabc\r\n2\r\nde\r\n" + EMPTY,
                "an extension": b'5;name=value;quoted="a b"\r\nabcde\r\n' + EMPTY,
                "capital digits": b"A\r\nabcdefghij\r\n" + EMPTY,
                "leading zeros": b"0005\r\nabcde\r\n" + b"000\r\n\r\n",
                "a trailer": b"5\r\nabcde\r\n0\r\nX-A: b\r\n\r\n",
                "data that looks like chunks": b"f\r\n0\r\n\r\nGET / HTTP\r\n" + EMPTY,
            }.items()
        },
    ),
]

FRAMING = [*BOTH_LENGTHS, *LENGTHS, *CODINGS, *CHUNKS]
