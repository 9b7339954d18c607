"""The pattern that passes ordinary heads must not know a more generous HTTP than the reading with words does."""

from hypothesis import given, settings
from hypothesis import strategies as some

from armature.edges.http.protocol_body import ChunkedBody
from armature.edges.http.protocol_head import HeadLimits, examine, ordinary
from armature.edges.http.protocol_refusal import Refused
from tests.edges.raw_corpus import CHUNKED, PLAIN, request
from tests.edges.raw_framing import FRAMING
from tests.edges.raw_syntax import SYNTAX

LIMITS = HeadLimits(bytes_max=100_000, fields_max=1_000, url_bytes_max=50_000)
PIECES = some.sampled_from(
    [b"GET / HTTP/1.1", b"POST /a?b HTTP/1.1", b"Host: a", b"host:b:80", b"Content-Length: 5", b"content-length:0", CHUNKED]
    + [b"\r\n", b"\r\n\r\n", b"\n", b" ", b"\t", b":", b"X-A: b", b"Expect: 100-continue", b"\x00", b"\xff", b"%", b"%00", b"\\"]
)
SEEDS = some.sampled_from([case.send for case in [*FRAMING, *SYNTAX]])


@some.composite
def heads(draw: some.DrawFn) -> bytes:
    """A request of the corpus with a piece put somewhere, or pieces in any order."""
    if draw(some.booleans()):
        return b"\r\n".join(draw(some.lists(PIECES, max_size=8))) + b"\r\n\r\n"
    seed = draw(SEEDS)
    at = draw(some.integers(0, len(seed)))
    return seed[:at] + draw(PIECES) + seed[at + draw(some.integers(0, 3)) :]


@settings(max_examples=2_000, deadline=None)
@given(heads())
def test_a_head_that_the_pattern_passes_is_read_the_same_way_with_words(data: bytes) -> None:
    found = ordinary(data)
    if found is None:
        return
    end = data.find(b"\r\n\r\n") + 4
    assert end == found.end()
    head = examine(data[:end], LIMITS)
    assert (head.length, head.waits) == (int(found[1] or 0), False)


def test_the_usual_clients_get_the_short_way() -> None:
    curl = b"GET /a HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n"
    posting = request(b"Accept: */*", b"Content-Type: application/json", b"Content-Length: 2", body=b"{}")
    assert all(ordinary(data) for data in (PLAIN, curl, posting))


@settings(max_examples=500, deadline=None)
@given(some.binary(max_size=200), some.lists(some.integers(1, 50), max_size=20), some.binary(max_size=9))
def test_a_chunked_body_ends_where_it_ends_however_it_is_cut(content: bytes, cuts: list[int], after: bytes) -> None:
    wire = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (content[:70], content[70:]) if part) + b"0\r\n\r\n"
    data, body, taken = wire + after, ChunkedBody(1_000, 1_000), 0
    for size in [*cuts, len(data)]:
        if not body.done:
            taken += body.take(data[taken : taken + size], 0)
    assert (taken, body.done) == (len(wire), True)


@settings(max_examples=500, deadline=None)
@given(some.binary(max_size=60))
def test_no_bytes_make_a_reader_stumble(data: bytes) -> None:
    for step in (lambda: examine(data + b"\r\n\r\n", LIMITS), lambda: ChunkedBody(100, 100).take(data, 0)):
        try:
            step()
        except Refused as refused:
            assert 400 <= refused.refusal.status < 600
