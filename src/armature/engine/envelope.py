"""How an event is written on its way through a broker: one line of JSON about it, and its payload untouched beside it.

The line is a header on NATS and a field on Redis. JSON, because a person reads it in a broker's own tools, and because nothing
in an actor's or a correlation's id can then end a header and begin another.
"""

import re
from datetime import datetime
from functools import lru_cache
from uuid import UUID

import msgspec
from msgspec import Struct

from armature.ports.bus import Message

__all__ = ["flaw", "head", "key", "message"]

_TYPE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_is_type = lru_cache(10_000)(_TYPE.fullmatch)
_NAME_LENGTH_MAX = 512


class _Head(Struct, frozen=True, gc=False):
    """Everything but the payload. Fields that a later release adds are ignored by this one."""

    event_id: UUID
    log: str
    epoch: int
    position: int
    type: str
    schema: int
    tenant_id: str
    stream: str
    stream_version: int | None
    correlation_id: str
    causation_id: str
    trace: str | None
    actor: str
    occurred_at: datetime


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Head).decode


def key(message: Message) -> str:
    """Return what a broker knows a message by within its dedupe window: the same event of another epoch is another message.

    Else what is published again after a restore would count as stored and not be there, which looks like a loss.
    """
    return f"{message.event_id.hex}.{message.epoch}"


def head(message: Message) -> bytes:
    """Return the line about a message."""
    return _encode(
        _Head(
            message.event_id,
            message.log,
            message.epoch,
            message.position,
            message.type,
            message.schema,
            message.tenant_id,
            message.stream,
            message.stream_version,
            message.correlation_id,
            message.causation_id,
            message.trace,
            message.actor,
            message.occurred_at,
        )
    )


def message(line: bytes | str, payload: bytes) -> Message:
    """Return the message with this line and payload; raise `msgspec.MsgspecError` for a line of somebody else's."""
    about = _decode(line)
    return Message(
        about.event_id,
        about.log,
        about.epoch,
        about.position,
        about.type,
        about.schema,
        about.tenant_id,
        about.stream,
        about.stream_version,
        payload,
        about.correlation_id,
        about.causation_id,
        about.trace,
        about.actor,
        about.occurred_at,
    )


def flaw(message: Message, size: int, size_max: int) -> str | None:
    """Say why no broker can ever take a message of `size` bytes, line included; None when it can."""
    if size > size_max:
        return f"it has {size} bytes, and the broker takes {size_max}; keep what is large in a blob and name it in the event"
    if len(message.type) > _NAME_LENGTH_MAX or not _is_type(message.type):
        return f"its type {message.type[:80]!r} is no subject: words of letters, digits, '_' and '-', with dots between"
    if len(message.tenant_id) > _NAME_LENGTH_MAX:
        return f"the id of its tenant has {len(message.tenant_id)} characters, and a subject takes {_NAME_LENGTH_MAX}"
    return None
