"""What the ends of a gRPC call mean on a link: was the message ever sent, and in which words is the cause told?

gRPC tells causes as text. What decides (`NotSent` or `LinkLost`) rests on a mark that our own answerers set, and on the few words
gRPC uses for a connection that never stood and for a message that never had its turn on one; the rest is read so that a person
finds the fault: a certificate that ran out says so here, and not only in a trace.
"""

import grpc
from grpc import aio

from armature.adapters.grpc.tls import Tls
from armature.ports.links import LinkError, LinkLate, LinkLost, LinkRefused, NotSent

__all__ = ["NOT_TAKEN", "Leaving", "NotTaken", "translated"]

NOT_TAKEN = (("armature-not-taken", "leaving"),)
"""Set by an answerer that leaves, on what it refuses: nothing was begun."""

# A connection that never stood carried no message.
_NEVER_SENT = (
    "failed to connect",
    "connections to all backends failing",
    "connection refused",
    "no such file",
    "name resolution",
    "dns resolution",
    "empty address list",
)

# A message for a connection that was ending, in gRPC's own account (chttp2_transport.cc: kNotSeenByServer, kNotSentOnWire): after
# a GOAWAY only what it does not cover ends with these words, and after the end of a transport only what never began there. What
# had begun ends with the cause itself ("Socket closed", "sendmsg: Broken pipe") and is lost. A CANCELLED says nothing: the
# answerer's gRPC drops with it what still waits when it stops, and what runs when its process exits.
_NOT_BEGUN = ("stream removed (goaway received", "stream removed (transport closed (")

_REFUSED = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED)


class NotTaken(NotSent):
    """The connection was ending; another one, also to the same name, may be tried at once."""


class Leaving(NotTaken):
    """Whoever was asked said that it leaves."""


def translated(module: str, process: str, error: aio.AioRpcError, tls: Tls | None) -> LinkError:
    """Return the link's error for gRPC's; `process` is who was to answer, `tls` what we showed him."""
    code, details = error.code(), (error.details() or "").strip()
    said = f"'{module}': {details or code.name.lower()}"
    if code is grpc.StatusCode.UNAVAILABLE:
        lowered = details.lower()
        if _marked(error):
            return Leaving(f"'{module}': process '{process}' is leaving")
        if lowered.startswith(_NOT_BEGUN):
            return NotTaken(f"'{module}': the connection to process '{process}' was ending")
        if any(words in lowered for words in _NEVER_SENT):
            return NotSent(f"'{module}': {_cause(process, details, tls) or details}")
        return LinkLost(said)
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return LinkLate(f"no answer for {said}")
    if code in _REFUSED:
        return LinkRefused(said)
    return LinkLost(said)


def _marked(error: aio.AioRpcError) -> bool:
    (mark,) = NOT_TAKEN
    return any(tuple(one) == mark for one in error.trailing_metadata() or ())


def _cause(process: str, details: str, tls: Tls | None) -> str:
    """Return why a handshake failed, in words with a cure; empty when it was something else."""
    lowered = details.lower()
    if tls is None:
        if "socket closed" in lowered:
            return f"process '{process}' hung up at once: it may want a certificate, and neighbours.certificate is not set here"
        return ""
    if tls.seconds_left < 0:
        return "our own certificate has expired; renew it"
    for words, cause in (
        ("hostname verification", f"who answers is not process '{process}': its certificate bears other names"),
        ("wrong_version_number", f"process '{process}' answers without TLS; set neighbours.certificate there too"),
        ("certificate has expired", f"the certificate of process '{process}' has expired; renew it"),
        ("not yet valid", f"the certificate of process '{process}' is not yet valid; compare both clocks"),
        ("certificate_verify_failed", f"the certificate of process '{process}' was signed by nobody in neighbours.authority"),
        ("socket closed", f"process '{process}' took no certificate of ours: it may not know who signed it"),
    ):
        if words in lowered:
            return cause
    return ""
