"""JSON Schemas for the OpenAPI document, and examples made from them.

msgspec knows the types; what it cannot know is that texts are trimmed before they are measured, that a query string has no
null, and what a reader would like to see as an example.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from armature.kernel.operation import Operation

__all__ = ["PREFIX", "Schema", "Schemas", "without_null"]

Schema = dict[str, Any]
PREFIX = "#/components/schemas/"

_DEPTH_MAX = 6
"""How far an example follows types that contain themselves."""

_BY_FORMAT = {
    "uuid": "01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b",
    "date-time": "2026-01-31T12:00:00Z",
    "date": "2026-01-31",
    "decimal": "9.90",
    "byte": "YQ==",
}


class Schemas:
    """The schemas of all types of one document; `components` is what the document carries of them."""

    def __init__(self, operations: Sequence[Operation], more: Iterable[Any]) -> None:
        arguments = [one.arguments for one in operations]
        results = [one.result for one in operations]
        extra = list(more)
        made, components = msgspec.json.schema_components([*arguments, *results, *extra], ref_template=PREFIX + "{name}")
        self.components = {name: _tidy(schema) for name, schema in components.items()}
        schemas = [_tidy(schema) for schema in made]
        # The arguments of an operation are cut into path, query and body, so their own component is not carried.
        self._arguments = {
            one.full_name: self.components.pop(schema["$ref"].removeprefix(PREFIX))
            for one, schema in zip(operations, schemas, strict=False)
        }
        after = len(arguments)
        self._results: dict[str, Schema] = dict(zip(map(repr, results), schemas[after:], strict=False))
        self._more: dict[str, Schema] = dict(zip(map(repr, extra), schemas[after + len(results) :], strict=True))

    def argument(self, operation: Operation, name: str) -> Schema:
        """Return the schema of one argument as a request has it."""
        return _trimmed(self._arguments[operation.full_name]["properties"][name])

    def required(self, operation: Operation, name: str) -> bool:
        """Say whether a call without the argument is refused."""
        return name in self._arguments[operation.full_name].get("required", ())

    def result(self, operation: Operation) -> Schema:
        """Return the schema of what the operation answers."""
        return self._results[repr(operation.result)]

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type that was named in `more`."""
        return self._more[repr(kind)]

    def example(self, schema: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
        """Return a value the schema accepts: the declared example or default where there is one."""
        if "$ref" in schema:
            return self.example(self.components[schema["$ref"].removeprefix(PREFIX)], name, depth + 1)
        if schema.get("examples"):
            return schema["examples"][0]
        for word in ("const", "default"):
            if schema.get(word) is not None:
                return schema[word]
        if "enum" in schema:
            return schema["enum"][0]
        for word in ("anyOf", "oneOf"):
            if word in schema:
                return self.example(schema[word][0], name, depth + 1)
        return self._of_type(schema, name, depth)

    def _of_type(self, schema: Mapping[str, Any], name: str, depth: int) -> Any:
        kind = schema.get("type")
        if kind == "object":
            fields = schema.get("properties", {})
            return {one: self.example(value, one, depth + 1) for one, value in fields.items()} if depth < _DEPTH_MAX else {}
        if kind == "array":
            return [self.example(schema["items"], name, depth + 1)] if "items" in schema and depth < _DEPTH_MAX else []
        if kind == "string":
            text = _BY_FORMAT.get(schema.get("format", ""), name or "text")
            return text[: schema.get("maxLength", len(text))].ljust(schema.get("minLength", 0), "x")
        if kind in ("integer", "number"):
            least: int = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
            return min(least, schema["maximum"]) if "maximum" in schema else least
        return {"boolean": True, "null": None}.get(str(kind), {})


def without_null(schema: Schema) -> Schema:
    """Return the schema for a place that has no null, such as a query string."""
    choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if not choices:
        return schema
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    if schema.get("default") is not None:
        rest["default"] = schema["default"]
    return {**choices[0], **rest} if len(choices) == 1 else {"anyOf": choices, **rest}


def _tidy(schema: Any) -> Any:
    """Unindent descriptions, type enums, name the width of integers; everything else stays as msgspec says it."""
    if isinstance(schema, list):
        return [_tidy(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {name: value if name in ("enum", "const", "default", "examples") else _tidy(value) for name, value in schema.items()}
    if isinstance(tidy.get("description"), str):
        tidy["description"] = inspect.cleandoc(tidy["description"])
    if "enum" in tidy and "type" not in tidy and all(isinstance(one, str) for one in tidy["enum"]):
        tidy["type"] = "string"
    if tidy.get("type") == "integer" and "format" not in tidy:
        tidy["format"] = "int64"
    return tidy


def _trimmed(schema: Schema) -> Schema:
    """A text of white space alone is empty once it is trimmed, so a minimum length says that something must be seen."""
    if "anyOf" in schema:
        return {**schema, "anyOf": [_trimmed(one) for one in schema["anyOf"]]}
    if schema.get("type") == "string" and schema.get("minLength", 0) > 0 and not {"pattern", "format"} & schema.keys():
        return {**schema, "pattern": r"\S"}
    return schema
