"""Old events as today's code knows them.

What was written to the log stays as it was written. Whoever reads it, out of the table, the archive or a broker, brings the
data up one schema at a time by the functions that the contract declares (`@upcast`), and decodes it as if it were new.
"""

import msgspec

from armature.kernel.event import EventType

__all__ = ["NoUpcast", "newest"]


class NoUpcast(Exception):
    """An event of an older schema that nothing in the contract leads on from; `armature check contracts` finds it before."""


def newest(declared: EventType, schema: int, payload: str | bytes) -> str | bytes:
    """Return the data of an event as JSON of the schema that the code has.

    Data of a newer schema stays as it is: a process of the previous release, during a rolling start, ignores the fields it
    does not know, and what it cannot decode is set aside as any other event.
    """
    if schema >= declared.schema:
        return payload
    data = msgspec.json.decode(payload)
    for step in range(schema, declared.schema):
        function = declared.upcasts.get(step)
        if function is None:
            raise NoUpcast(
                f"{declared.name} of schema {schema} cannot be read as schema {declared.schema}: write "
                f"@upcast({declared.type.__name__}, from_schema={step}) in contract.py"
            )
        data = function(data)
    return msgspec.json.encode(data)
