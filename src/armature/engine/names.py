"""The one place where names in foreign stores are made: subjects of a broker, keys of a cache, keys of blobs.

Each begins with the installation, so that two may share a server; carries the version of its own form, so that two releases
may; and carries the tenant, so that no two tenants ever meet in a name (I27). Parts are escaped: a tenant called `a.b`
or `*` is a word like any other.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

__all__ = [
    "FORMS",
    "blob_key",
    "cache_key",
    "cache_tag",
    "event_stream",
    "event_subject",
    "group",
    "limit_key",
    "link_subject",
    "signal_subject",
    "word",
]

_VERSION = "v1"
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_OTHER = re.compile(rb"[^A-Za-z0-9_-]")


@lru_cache(maxsize=4096)
def word(text: str) -> str:
    """Return the text as one word of a name: letters, digits, `_` and `-` stay; every other byte becomes `=XX`."""
    if _PLAIN.fullmatch(text):
        return text
    return _OTHER.sub(_escaped, text.encode()).decode() or "="


def _escaped(found: re.Match[bytes]) -> bytes:
    return b"=%02X" % ord(found[0])


def _dotted(name: str) -> str:
    """A name of several words, as event types and topics have them: the dots stay, nothing else does."""
    return ".".join(map(word, name.split(".")))


def event_stream(installation: str) -> str:
    """The broker's stream of all events of an installation."""
    return f"{word(installation)}_{_VERSION}_events"


def event_subject(installation: str, tenant: str, event_type: str) -> str:
    """Where an event is published: `shop.v1.event.acme.counter.changed`."""
    return f"{word(installation)}.{_VERSION}.event.{word(tenant)}.{_dotted(event_type)}"


def group(installation: str, consumer: str) -> str:
    """The durable name of a consumer's group."""
    return f"{word(installation)}_{_VERSION}_{word(consumer)}"


def signal_subject(installation: str, tenant: str, topic: str, key: str = "") -> str:
    """Where signals about a thing of a tenant are sent: `shop.v1.signal.acme.counter.0190…`; without a key, about all of them.

    A topic begins with the module's name or with `armature`.
    """
    tail = f".{word(key)}" if key else ""
    return f"{word(installation)}.{_VERSION}.signal.{word(tenant)}.{_dotted(topic)}{tail}"


def cache_key(installation: str, tenant: str, operation: str, version: int, arguments: str) -> str:
    """Where an answer of a query is kept; `arguments` is a hash over actor-independent canonical arguments."""
    return f"{word(installation)}:{_VERSION}:cache:{word(tenant)}:{_dotted(operation)}:v{version}:{word(arguments)}"


def cache_tag(installation: str, tenant: str, event_type: str, key: str = "") -> str:
    """What an event invalidates: everything of a tenant that names its type, or of one stream of it."""
    tail = f":{word(key)}" if key else ""
    return f"{word(installation)}:{_VERSION}:tag:{word(tenant)}:{_dotted(event_type)}{tail}"


def limit_key(installation: str, count: int, period_seconds: float) -> str:
    """Where callers under one rate are counted; operation, tenant and actor are the members of what is kept there."""
    return f"{word(installation)}:{_VERSION}:limit:{count}:{round(period_seconds * 1_000)}ms"


def link_subject(installation: str, module: str) -> str:
    """Where those who host a module are asked, whatever the tenant: it stands in the sealed message."""
    return f"{word(installation)}.{_VERSION}.link.{word(module)}"


def blob_key(installation: str, tenant: str, module: str, name: str) -> str:
    """Where a file of a tenant is kept."""
    return f"{word(installation)}/{_VERSION}/{word(tenant)}/{word(module)}/{word(name)}"


_PARTS: Mapping[str, tuple[Callable[..., str], tuple[str, ...]]] = {
    "broker stream": (event_stream, ("installation",)),
    "event": (event_subject, ("installation", "tenant", "event type")),
    "group": (group, ("installation", "consumer")),
    "signal": (signal_subject, ("installation", "tenant", "topic", "key")),
    "cache": (cache_key, ("installation", "tenant", "operation", "version", "arguments")),
    "tag": (cache_tag, ("installation", "tenant", "event type", "stream")),
    "limit": (limit_key, ("installation", "count", "period")),
    "link": (link_subject, ("installation", "module")),
    "blob": (blob_key, ("installation", "tenant", "module", "name")),
}
_NUMBERS = {"version": 900_001, "count": 900_002, "period": 900.003}
_SHOWN = {"900001": "<version>", "900002": "<count>", "900003": "<period>"}


def _form(make: Callable[..., str], parts: tuple[str, ...]) -> str:
    """The form of a name, by calling what makes it, so that the two cannot differ."""
    text = make(*[_NUMBERS.get(part, f"<{part}>") for part in parts])
    for shown, part in _SHOWN.items():
        text = text.replace(shown, part)
    return text.replace("=3C", "<").replace("=3E", ">").replace("=20", " ")


FORMS = {kind: _form(make, parts) for kind, (make, parts) in _PARTS.items()}
"""What `armature plan --names` prints, by kind."""
