"""What a caller does about each refusal. The code says what happened; the way out is said here, once for each code."""

from collections.abc import Mapping

__all__ = ["CURES", "GATE_CURES"]

CURES: Mapping[str, str] = {
    "auth:forbidden": "Ask for a role that has the permission; roles are in `platform/policies.yaml`.",
    "auth:unauthenticated": "Say who calls. Development believes `X-Actor`; this version has no sign-in for production.",
    "commit:unknown": "Send the same request with the same `Idempotency-Key` again: it is replayed if it happened, done if not.",
    "counter:insufficient": "Read the counter (`value` is in the problem), take less, or wait until there is more.",
    "counter:name_taken": "Choose another name, or find the counter that has it.",
    "counter:not_found": "Look at the id. It was deleted, never existed, or belongs to another tenant; the answer is the same.",
    "counter:same": "Name two different counters.",
    "idempotency:in_flight": "Wait for `Retry-After`, then send the same request with the same key again.",
    "idempotency:key_missing": "Send an `Idempotency-Key`, new for each intent and the same for each retry of it.",
    "idempotency:key_reused": "Use a new key for a new intent. A retry sends the same content byte for byte.",
    "limit:exceeded": "Wait for `Retry-After` seconds; a call after exactly that long is admitted.",
    "projection:building": "Wait for `Retry-After`. Commands and reads of the module's own tables go on meanwhile.",
    "quota:exceeded": "Reserve at most `left`, or wait until reservations are given up or expire; or have the limit raised.",
    "quota:no_reservation": "Nothing, where it was used up. Otherwise look at the id, and at the open ones in `/reservations`.",
    "quota:not_found": "Set a limit first, with PUT. It ends with its counter.",
    "request:client_left": "Nothing: nobody was there to read it. It shows in logs and metrics only.",
    "request:invalid": "Mend what `errors[]` names; each entry has the path and what was expected.",
    "request:malformed": "Send JSON as the OpenAPI document describes it.",
    "request:media_type": "Send `Content-Type: application/json`.",
    "request:method": "Use one of the methods in `Allow`.",
    "request:no_route": "Look at `/openapi.json` or `/docs` for what is served.",
    "request:stale": "Read the resource again, decide again, send its version as `If-Match` (`current`, where it is known).",
    "request:too_large": "Send less; `limit` is the number of bytes this operation takes.",
    "system:bug": "Tell whoever runs the server, with `X-Request-ID`: the log has the trace under it.",
    "system:deadline": "Send it again: it certainly had no effect.",
    "system:overloaded": "Wait for `Retry-After`, with some chance in it, then send it again.",
    "system:unavailable": "Wait for `Retry-After`; `what` names the part. Nothing was half done.",
}

GATE_CURES: Mapping[str, str] = {
    "http:body_timeout": "Send the body faster, or raise `http.body_seconds`.",
    "http:body_too_large": "Send less, or raise `http.body_bytes_max`.",
    "http:body_too_slow": "Send the body faster, or lower `http.body_bytes_per_second_min`.",
    "http:chunk": "Mend the client's chunked encoding.",
    "http:content_length": "Send digits only.",
    "http:expectation": "Send no `Expect`, or `100-continue`.",
    "http:field_name": "Mend the header's name.",
    "http:field_value": "Remove the control character.",
    "http:folded_field": "Write each header field on one line.",
    "http:framing": "Send one `Content-Length` or one `Transfer-Encoding: chunked`, not both.",
    "http:head_timeout": "Send the head faster, or raise `http.head_seconds`.",
    "http:head_too_large": "Send fewer or shorter header fields, or raise `http.head_bytes_max`.",
    "http:host": "Send exactly one `Host`, the same as the target's.",
    "http:internal": "Look into the server's log.",
    "http:line_ending": "End lines with CR LF.",
    "http:method": "Use one of the methods in the detail.",
    "http:request_line": "Send `METHOD target HTTP/1.1`; is TLS spoken to a plain port?",
    "http:syntax": "Mend the client; the parser and the first reading do not agree on its bytes.",
    "http:target": "Encode everything but printable ASCII as `%XX`.",
    "http:too_many_connections": "Use fewer connections, or raise `http.connections_max` or `http.connections_per_address_max`.",
    "http:too_many_fields": "Send fewer header fields, or raise `http.head_fields_max`.",
    "http:transfer_coding": "Send `chunked` only.",
    "http:url_too_long": "Send a shorter target, or raise `http.url_bytes_max`.",
    "http:version": "Speak HTTP/1.1.",
}
"""What the gate refuses before a request exists."""
