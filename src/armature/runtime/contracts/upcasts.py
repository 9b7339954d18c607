"""Whether what the log holds can still be read: an upcast from each older schema of an event, tried on an example of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from armature.engine.upcasting import newest
from armature.kernel.event import EventType
from armature.runtime.contracts.released import FOLDER
from armature.runtime.contracts.sealed import edited
from armature.runtime.contracts.sources import Promised

__all__ = ["Unread", "unread"]


class Unread(Struct, frozen=True):
    """Why events of an older schema cannot be read; `rule` is `upcast` or `history`."""

    rule: str
    file: str
    text: str
    cure: str


def unread(promised: Promised, documents: Mapping[str, bytes]) -> list[Unread]:
    """Compare the events with the documents of their older schemas."""
    return [one for event in promised.events.values() if event.schema > 1 for one in _event(event, documents)]


def _event(event: EventType, documents: Mapping[str, bytes]) -> Iterator[Unread]:
    code = f"{event.type.__module__.replace('.', '/')}.py"
    for schema in range(1, event.schema):
        name = f"events/{event.name}.{schema}.json"
        if schema not in event.upcasts:
            text = f"nothing reads the {event.name} of schema {schema}, and the log keeps them for ever"
            yield Unread("upcast", code, text, f"write @upcast({event.type.__name__}, from_schema={schema}) below the event")
        if name not in documents:
            text = f"the schema {schema} of {event.name} is not there"
            yield Unread("history", f"{FOLDER}/{name}", text, "bring it back from version control; it says what the log holds")
        elif not edited(name, documents[name]) and all(step in event.upcasts for step in range(schema, event.schema)):
            yield from _tried(event, schema, code, msgspec.json.decode(documents[name]))


def _tried(event: EventType, schema: int, code: str, document: Mapping[str, Any]) -> Iterator[Unread]:
    for example in (_example(document, document, _LEVELS), _example(document, document, 0)):
        try:
            msgspec.json.decode(newest(event, schema, msgspec.json.encode(example)), type=event.type)
        except Exception as error:  # an upcast is the project's own code, and may fail in any way
            text = f"the upcasts of {event.name} from schema {schema} make no event of it: {type(error).__name__}: {error}"
            shown = msgspec.json.encode(example).decode()
            yield Unread("upcast", code, text, f"mend the @upcast; it was tried with {shown}")
            return


_LEVELS = 4
_BY_FORMAT = {"uuid": "01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b", "date-time": "2026-01-31T12:00:00Z", "decimal": "9.90"}


def _example(schema: Mapping[str, Any], top: Mapping[str, Any], room: int) -> Any:
    """A value of the schema: with all that may be there for so many levels, then with nothing that may be absent or null."""
    if "$ref" in schema:
        return _example(top["$defs"][schema["$ref"].rpartition("/")[2]], top, room)
    if "anyOf" in schema:
        choices = sorted(schema["anyOf"], key=lambda one: (one == {"type": "null"}) is (room > 0))
        return _example(choices[0], top, room)
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    match schema.get("type"):
        case "object":
            needed = schema.get("required", ())
            fields = {name: one for name, one in schema.get("properties", {}).items() if room > 0 or name in needed}
            return {name: _example(one, top, room - 1) for name, one in fields.items()}
        case "array":
            return [_example(schema["items"], top, room - 1)] if room > 0 and "items" in schema else []
        case "string":
            text = _BY_FORMAT.get(schema.get("format", ""), "" if "contentEncoding" in schema else "text")
            return text[: schema.get("maxLength", len(text))].ljust(schema.get("minLength", 0), "x")
        case "integer" | "number":
            least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
            return min(least, schema.get("maximum", least))
        case "boolean":
            return True
    return None
