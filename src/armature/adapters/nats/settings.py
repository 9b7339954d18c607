"""What the stream of events and its consumers are asked to be, and the comparison with what the server made of it.

A server takes settings it does not know without a word (2.9 ignores `filter_subjects` and delivers everything), so each answer
is compared, field by field, with the question.
"""

from collections.abc import Sequence

from msgspec import Struct
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    ReplayPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from armature.engine.names import event_subject
from armature.ports.bus import BusRefused

__all__ = ["NatsSettings", "agree", "consumer_config", "covering", "stream_config"]

_SHARED_PENDING_MAX = 1_000
_NEVER_GIVES_UP = -1


class NatsSettings(Struct, frozen=True):
    """Bounds of the stream. `bytes_max` on disk: when it is full of messages that groups still need, publishing is refused."""

    bytes_max: int = 1 << 30
    dedupe_seconds: float = 120.0
    replicas: int = 1


def stream_config(name: str, subject: str, settings: NatsSettings) -> StreamConfig:
    """A stream on disk that refuses new messages when it is full; the default drops the oldest, acknowledged or not."""
    return StreamConfig(
        name=name,
        subjects=[subject],
        storage=StorageType.FILE,
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW,
        max_bytes=settings.bytes_max,
        max_age=0,
        max_msgs=-1,
        max_msgs_per_subject=-1,
        num_replicas=settings.replicas,
        duplicate_window=settings.dedupe_seconds,
    )


def consumer_config(group: str, subject: str, *, in_order: bool, ack_seconds: float, deliver: DeliverPolicy) -> ConsumerConfig:
    """A durable pull consumer. It never gives up on a message: what is hopeless is parked by the engine, in the database."""
    return ConsumerConfig(
        durable_name=group,
        deliver_policy=deliver,
        replay_policy=ReplayPolicy.INSTANT,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ack_seconds,
        max_deliver=_NEVER_GIVES_UP,
        max_ack_pending=1 if in_order else _SHARED_PENDING_MAX,
        filter_subject=subject,
    )


def covering(installation: str, types: Sequence[str]) -> str:
    """The narrowest subject of every tenant's events of these types, of all without any; foreign ones are left out on arrival.

    One subject, because a second filter would be a second order, and servers before 2.10 ignore it.
    """
    stem = event_subject(installation, "t", "e").removesuffix(".t.e")
    words = [one.split(".") for one in types] or [[""], ["", ""]]
    first = words[0]
    # `a.b.>` does not take `a.b` itself: of the shortest type, at least one word is left to the `>`.
    shortest = min(map(len, words)) - 1
    same = next((n for n, row in enumerate(zip(*words, strict=False)) if len(set(row)) > 1), shortest)
    one_type = all(row == first for row in words)
    return ".".join([stem, "*", *(first if one_type else [*first[: min(same, shortest)], ">"])])


def agree(what: str, asked: dict[str, object], echoed: dict[str, object]) -> None:
    """Raise `BusRefused` for the first setting that the server changed or left out."""
    for name, value in asked.items():
        if value is not None and echoed.get(name) != value:
            text = f"nats: {what}: asked for {name}={value!r}, the server made it {echoed.get(name)!r}"
            raise BusRefused(f"{text}; use a server that keeps the setting (2.9 or newer), or remove what is in its way")
