"""A derived file carries a hash of its own content, so that an edit by hand is told from code that went on without it.

The first is a mistake to undo, the second a file to write again; without the hash both look alike. It is no protection against
anybody: who edits on purpose can hash on purpose.
"""

import hashlib
import re
from typing import Any

import msgspec

__all__ = ["KEY", "data_of", "edited", "sealed_json", "sealed_text"]

KEY = "x-armature-hash"

_LINE = re.compile(r"^(?://|<!--) armature-hash: ([0-9a-f]+)(?: -->)?\n", re.MULTILINE)
_DIGITS = 32


def sealed_json(value: dict[str, Any]) -> bytes:
    """Return the file of a JSON document, its hash as the last key."""
    plain = msgspec.json.decode(msgspec.json.encode(value))
    return msgspec.json.format(msgspec.json.encode({**plain, KEY: _of_data(plain)}), indent=2) + b"\n"


def sealed_text(text: str, *, comment: str) -> bytes:
    """Return the file of a text, its hash as the last line; `comment` is `//` or `<!--`."""
    end = " -->" if comment == "<!--" else ""
    return f"{text}{comment} armature-hash: {_digest(text.encode())}{end}\n".encode()


def edited(name: str, data: bytes) -> bool:
    """Whether a file is not as it was written; the layout of JSON does not count."""
    try:
        if name.endswith(".json"):
            value = msgspec.json.decode(data)
            return not isinstance(value, dict) or value.pop(KEY, None) != _of_data(value)
        text = data.decode()
    except ValueError:
        return True
    found = _LINE.search(text)
    return found is None or _digest(_LINE.sub("", text).encode()) != found[1]


def data_of(value: Any) -> Any:
    """Return a JSON document without its hash."""
    return {name: one for name, one in value.items() if name != KEY} if isinstance(value, dict) else value


def _of_data(value: Any) -> str:
    return _digest(msgspec.json.encode(value, order="deterministic"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGITS]
