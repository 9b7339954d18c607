"""What a request's head must look like before anything else may read it.

Two readers that disagree about where a request ends are how one caller's bytes become another caller's request (RFC
9112 §11.2). So the head is judged here, on the raw bytes, by one strict reading; the parser behind it must then agree.
A head with nothing unusual is passed by a single pattern in under a microsecond; everything else is read line by line,
slowly and with words.
"""

import re

import msgspec

from armature.edges.http.protocol_refusal import Refusal, Refused, malformed

__all__ = ["TOKEN", "VALUE", "Head", "HeadLimits", "examine", "examine_partial", "ordinary"]

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
VALUE = rb"[\t\x20-\x7e\x80-\xff]"
# Visible characters but for those that RFC 3986 never allows and that proxies are known to read differently (" # < > \).
# In a path a % is followed by two digits that are not zero: nobody downstream should meet a NUL or half an escape.
_PATH = rb"[!$&-;=@-\[\]-~]*+(?:%(?!00)[0-9A-Fa-f]{2}[!$&-;=@-\[\]-~]*+)*+"
_QUERY = rb"(?:\?[!$-;=?-\[\]-~]*+)?+"
AUTHORITY = rb"(?:[A-Za-z0-9._~\-]++|\[[0-9A-Fa-f:.]++\])(?::[0-9]{1,5}+)?+"

# Possessive quantifiers throughout: the pattern meets bytes chosen by strangers and must never backtrack.
_PLAIN = rb"(?!(?i:host|content-length|transfer-encoding|expect):)" + TOKEN + rb"++:" + VALUE + rb"*+\r\n"
_LENGTH = rb"(?i:content-length):[ \t]*+([0-9]{1,15}+)[ \t]*+\r\n"

ordinary = re.compile(
    rb"(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /" + _PATH + _QUERY + rb" HTTP/1\.1\r\n"
    rb"(?:" + _PLAIN + rb")*+(?i:host):[ \t]*+" + AUTHORITY + rb"[ \t]*+\r\n"
    rb"(?:" + _PLAIN + rb")*+(?:" + _LENGTH + rb"(?:" + _PLAIN + rb")*+)?+\r\n"
).match
"""Match a head that needs no second look; group 1 is its content length or None. Sizes are the caller's to check."""

# TRACE and QUERY are known and served nowhere: a path answers them with 405 and Allow, as what it does not take.
METHODS = frozenset({b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"QUERY"})
_METHOD = re.compile(TOKEN + rb"++").fullmatch
_VERSION = re.compile(rb"HTTP/([0-9])\.([0-9])").fullmatch
_ORIGIN = re.compile(rb"/" + _PATH + _QUERY).fullmatch
_ABSOLUTE = re.compile(rb"(?i:(https?))://([^/?#]*+)(?:/" + _PATH + rb")?+" + _QUERY).fullmatch
_FIELD = re.compile(rb"(" + TOKEN + rb"++):[ \t]*+(" + VALUE + rb"*+)").fullmatch
_HOST = re.compile(AUTHORITY).fullmatch
_DIGITS = re.compile(rb"[0-9]++").fullmatch
_STRAY = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|\x00").search
DEFAULT_PORTS = {b"http": b":80", b"https": b":443"}
LENGTH_DIGITS_MAX = 15
# What "METHOD" and "HTTP/1.1" add to a request line around its target.
LINE_SLACK = 24


class HeadLimits(msgspec.Struct, frozen=True):
    """How large a head may be: all bytes, the number of fields, and the request target."""

    bytes_max: int
    fields_max: int
    url_bytes_max: int


class Head(msgspec.Struct, frozen=True):
    """What the connection must know of the message: the `length` of its body in bytes or None when it is chunked, and
    whether the client `waits` for a 100 before it sends the body; `modern` is 1.1 rather than 1.0."""

    length: int | None
    waits: bool = False
    modern: bool = True


def examine_partial(buffer: bytes, limits: HeadLimits) -> None:
    """Refuse a head that can no longer become a good one; with a bare LF its end would be waited for in vain."""
    line, newline, _ = buffer.partition(b"\r\n")
    if len(line) > limits.url_bytes_max + LINE_SLACK:
        raise Refused(_url_too_long(limits))
    if len(buffer) > limits.bytes_max:
        raise Refused(_head_too_large(limits))
    if not newline and line[:1] and not _METHOD(line[:1]):
        raise Refused(malformed("request_line", "The request does not begin with a method; is this plain HTTP/1.1?"))
    if _STRAY(buffer):
        raise Refused(_STRAY_REFUSAL)


def examine(head: bytes, limits: HeadLimits) -> Head:
    """Judge a complete head (up to and with the empty line): raise `Refused`, or say how the body is framed."""
    lines = head[:-4].split(b"\r\n")
    if len(head) > limits.bytes_max:
        too_long_line = len(lines[0]) > limits.url_bytes_max + LINE_SLACK
        raise Refused(_url_too_long(limits) if too_long_line else _head_too_large(limits))
    if _STRAY(head):
        raise Refused(_STRAY_REFUSAL)
    target, modern = _request_line(lines[0], limits)
    if len(lines) - 1 > limits.fields_max:
        raise Refused(Refusal(431, "http:too_many_fields", f"A request may carry at most {limits.fields_max} header fields."))
    fields = [_field(line) for line in lines[1:]]
    _agree_on_host(target, [value for name, value in fields if name == b"host"], modern)
    expectations = {value.lower() for name, value in fields if name == b"expect"}
    if expectations - {b"100-continue"}:
        raise Refused(Refusal(417, "http:expectation", "The only expectation this server meets is 100-continue."))
    # RFC 9110 §10.1.1: from a 1.0 client the field means nothing.
    return Head(_body_length(fields, modern), waits=bool(expectations) and modern, modern=modern)


def _request_line(line: bytes, limits: HeadLimits) -> tuple[bytes, bool]:
    """The target, and whether the version is 1.1 rather than 1.0."""
    parts = line.split(b" ")
    if len(parts) != 3 or not _METHOD(parts[0]):
        raise Refused(malformed("request_line", "A request line is METHOD, one space, target, one space, HTTP/1.1."))
    method, target, version = parts
    if len(target) > limits.url_bytes_max:
        raise Refused(_url_too_long(limits))
    number = _VERSION(version)
    if number is None:
        raise Refused(malformed("request_line", "The request line does not end with HTTP/1.1."))
    if number[1] != b"1" or number[2] not in (b"0", b"1"):
        raise Refused(Refusal(505, "http:version", "This port speaks HTTP/1.1 and HTTP/1.0."))
    if method not in METHODS:
        raise Refused(Refusal(501, "http:method", "This server knows GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS."))
    if not (_ORIGIN(target) or _ABSOLUTE(target) or (target == b"*" and method == b"OPTIONS")):
        raise Refused(malformed("target", "The target must be a path in printable ASCII; encode other bytes as %XX."))
    return target, number[2] == b"1"


def _field(line: bytes) -> tuple[bytes, bytes]:
    found = _FIELD(line)
    if found is not None:
        return found[1].lower(), found[2].rstrip(b" \t")
    if line[:1] in (b" ", b"\t"):
        raise Refused(malformed("folded_field", "A header field is one line; folded lines are not accepted."))
    name, colon, _ = line.partition(b":")
    if colon and name != name.rstrip(b" \t"):
        raise Refused(malformed("field_name", "No space may stand between a header field's name and its colon."))
    if not colon or not _METHOD(name):
        raise Refused(malformed("field_name", "A header field needs a name made of token characters, and a colon."))
    raise Refused(malformed("field_value", "A header field's value holds a control character."))


def _agree_on_host(target: bytes, hosts: list[bytes], modern: bool) -> None:
    if len(hosts) > 1 or (modern and not hosts):
        raise Refused(malformed("host", f"A request names its Host exactly once; this one does {len(hosts)} times."))
    if any(not _HOST(host) for host in hosts):
        raise Refused(malformed("host", "Host must be a name or address with an optional port."))
    absolute = _ABSOLUTE(target)
    if absolute is None:
        return
    scheme, authority = absolute[1].lower(), absolute[2].lower()
    if not _HOST(authority):
        raise Refused(malformed("target", "The target's authority must be a name or address with an optional port."))
    port = DEFAULT_PORTS[scheme]
    if any(host.lower().removesuffix(port) != authority.removesuffix(port) for host in hosts):
        raise Refused(malformed("host", "The target and the Host field name different hosts."))


def _body_length(fields: list[tuple[bytes, bytes]], modern: bool) -> int | None:
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if lengths and codings:
        raise Refused(malformed("framing", "Content-Length and Transfer-Encoding exclude each other."))
    if len(lengths) > 1 or len(codings) > 1:
        raise Refused(malformed("framing", "Content-Length and Transfer-Encoding may each appear once."))
    if codings:
        if not modern:
            raise Refused(malformed("framing", "HTTP/1.0 has no Transfer-Encoding."))
        if codings[0].lower() != b"chunked":
            raise Refused(Refusal(501, "http:transfer_coding", "The only transfer coding accepted is chunked."))
        return None
    if not lengths:
        return 0
    if not _DIGITS(lengths[0]):
        raise Refused(malformed("content_length", "Content-Length must be digits only."))
    # Longer numbers are cut: they are far beyond every cap, and Python refuses to convert really long ones.
    return int(lengths[0].lstrip(b"0")[: LENGTH_DIGITS_MAX + 1] or b"0")


def _url_too_long(limits: HeadLimits) -> Refusal:
    return Refusal(414, "http:url_too_long", f"The request target may have at most {limits.url_bytes_max} bytes.")


def _head_too_large(limits: HeadLimits) -> Refusal:
    return Refusal(431, "http:head_too_large", f"Request line and header fields may have {limits.bytes_max} bytes.")


_STRAY_REFUSAL = malformed("line_ending", "Lines end with CR LF; a lone CR, a lone LF or a NUL has no place in a head.")
