"""What one contract promises, as data: the file `NAME.vN.json` that the judge of breaking changes compares with the code.

It holds what a caller can notice, over whichever wire, and no words: a better sentence in a docstring changes nothing here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

import msgspec

from armature.edges.http.openapi_problems import takes_key
from armature.edges.http.problem import status_of
from armature.engine.policies import Policies
from armature.kernel.event import event_type
from armature.kernel.failure import Failure
from armature.kernel.operation import Operation
from armature.runtime.contracts.sources import Promised, limit_of

__all__ = ["promise"]

_REFERENCE = "#/types/{name}"
_WORDS = ("title", "description", "examples")


def promise(package: str, promised: Promised) -> dict[str, Any]:
    """Return the promise of a package, `counter.v1`."""
    operations = sorted(promised.operations(promised.packages[package]), key=lambda one: one.full_name)
    failures = {failure.code: failure for one in operations for failure in one.declared.refuses}
    fields = {code: get_type_hints(failure) for code, failure in sorted(failures.items())}
    wanted = [
        *[one.arguments for one in operations],
        *[one.result for one in operations],
        *[fields[code][name] for code in fields for name in failures[code].fields],
    ]
    made, types = msgspec.json.schema_components(wanted, ref_template=_REFERENCE)
    schemas = iter([_plain(one) for one in made])
    arguments = [_argument_schema(next(schemas), types) for _ in operations]
    results = [next(schemas) for _ in operations]
    return {
        "contract": package,
        "operations": {
            one.name: {**_operation(one, promised.policies), "arguments": given, "result": result}
            for one, given, result in zip(operations, arguments, results, strict=True)
        },
        "failures": {code: _failure(failures[code], {name: next(schemas) for name in failures[code].fields}) for code in fields},
        "types": {name: _plain(one) for name, one in sorted(types.items())},
    }


def _operation(operation: Operation, policies: Policies) -> dict[str, Any]:
    declared = operation.declared
    return {
        "kind": declared.kind,
        "route": f"{operation.method} {policies.http.prefix.format(version=operation.version)}{operation.path}",
        "status": declared.status,
        "permission": declared.permission,
        "scope": declared.scope,
        "idempotency": declared.idempotency if takes_key(operation) else "none",
        "etag": declared.etag,
        "location": declared.location,
        "limit": limit_of(operation, policies),
        "body_bytes_max": declared.body_bytes_max or policies.http.body_bytes_max,
        "rules": [rule.text for rule in declared.rules],
        "refuses": sorted(failure.code for failure in declared.refuses),
        "events": sorted(event_type(event).name for event in declared.of),
    }


def _failure(failure: type[Failure], fields: Mapping[str, Any]) -> dict[str, Any]:
    required = sorted(fields)
    return {
        "kind": failure.kind.value,
        "status": status_of(failure),
        "fields": {"type": "object", "properties": dict(fields), "required": required},
    }


def _argument_schema(schema: dict[str, Any], types: dict[str, Any]) -> dict[str, Any]:
    """The arguments stand where they are asked for, not among the types: their struct has no name that a caller knows."""
    return _plain(types.pop(schema["$ref"].rpartition("/")[2]))  # type: ignore[no-any-return]


def _plain(schema: Any, *, named: bool = False) -> Any:
    """A schema without words. What stands below `properties` is named by people, so a field may be called `title`."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept: Sequence[str] = list(schema) if named else [name for name in schema if name not in _WORDS]
    return {
        name: schema[name]
        if name in ("default", "enum") and not named
        else _plain(schema[name], named=name == "properties" and not named)
        for name in kept
    }
