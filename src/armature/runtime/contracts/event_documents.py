"""The events as documents: a JSON Schema for each event and schema number, and AsyncAPI for whoever listens to the broker.

The document of an older schema stays when the code goes on: what was written in it is in the log for ever.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from armature.engine.names import event_stream, event_subject
from armature.kernel.event import EventType
from armature.runtime.contracts.sources import Promised

__all__ = ["asyncapi", "event_schema"]


def event_schema(event: EventType) -> dict[str, Any]:
    """Return the JSON Schema 2020-12 of an event's data."""
    (top,), parts = msgspec.json.schema_components([event.type], ref_template="#/$defs/{name}")
    own = _tidy(parts.pop(top["$ref"].rpartition("/")[2]))
    own.pop("title", None)
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:armature:event:{event.name}:{event.schema}",
        "title": event.name,
        "x-schema": event.schema,
        "x-stream": event.stream,
        "x-version": event.version,
        **own,
    }
    return {**document, "$defs": _tidy(parts)} if parts else document


def asyncapi(promised: Promised) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: a channel for each kind of stream, with the events that arrive in its order."""
    channels: dict[str, list[EventType]] = {}
    for event in promised.events.values():
        channels.setdefault(f"{event.domain}.{event.stream}", []).append(event)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Armature events", "version": "1.0.0", "description": _ABOUT},
        "defaultContentType": "application/json",
        "channels": {name: _channel(events) for name, events in channels.items()},
        "operations": {f"tell.{name}": _operation(name, events) for name, events in channels.items()},
        "components": {"messages": {name: _message(event, promised) for name, event in promised.events.items()}},
    }


_STREAM = event_stream("INSTALLATION").replace("INSTALLATION", "{installation}")
_ABOUT = f"""\
What modules tell: facts that happened, each recorded in one commit with the change it reports. They are published afterwards, at
least once and in the order of the log; events of one stream have versions without a gap where they have versions.

On NATS JetStream all of them are in the stream `{_STREAM}`. What is known of an event beside its data (its id, its
schema, its place in the log) is one line of JSON in the header `Armature-Event`. Take an event once by its id, and ignore fields
that you do not know.
"""


def _channel(events: Sequence[EventType]) -> dict[str, Any]:
    first = events[0]
    facts = [event.name.partition(".")[2] for event in events]
    # Made by what makes the real subjects, so that the two cannot differ.
    subject = event_subject("INSTALLATION", "TENANT", f"{first.domain}.FACT")
    for word, parameter in (("INSTALLATION", "{installation}"), ("TENANT", "{tenant}"), ("FACT", "{fact}")):
        subject = subject.replace(word, parameter)
    return {
        "address": subject,
        "summary": f"What happened in the streams `{first.domain}/{{{first.stream}}}`.",
        "parameters": {
            "installation": {"description": "The installation's name, from the environment."},
            "tenant": {"description": "Whose it is."},
            "fact": {"description": "What happened.", "enum": facts},
        },
        "messages": {event.name: {"$ref": f"#/components/messages/{event.name}"} for event in events},
    }


def _operation(name: str, events: Sequence[EventType]) -> dict[str, Any]:
    messages = [{"$ref": f"#/channels/{name}/messages/{event.name}"} for event in events]
    return {"action": "send", "channel": {"$ref": f"#/channels/{name}"}, "messages": messages}


def _message(event: EventType, promised: Promised) -> dict[str, Any]:
    schema = event_schema(event)
    heard = [f"{one.kind} {one.name}" for one in promised.listeners[event.name]]
    return {
        "name": event.name,
        "title": event.type.__name__,
        "summary": schema["description"].partition("\n")[0],
        "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": {"$ref": f"./events/{event.name}.{event.schema}.json"},
        },
        "x-schema": event.schema,
        "x-listeners": heard,
    }


def _tidy(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_tidy(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    tidy = {name: one if name in ("enum", "default") else _tidy(one) for name, one in schema.items()}
    if isinstance(tidy.get("description"), str):
        tidy["description"] = inspect.cleandoc(tidy["description"])
    return tidy
