"""The OpenAPI 3.1 document, derived from contracts. Nobody writes it, so it cannot disagree with what is served.

What stands here is a promise: the document in `contracts/` is compared with it, and every change shows in a review.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from armature.edges.http.openapi_problems import (
    BODY_METHODS,
    field_types,
    problem_responses,
    problem_schemas,
    refusals,
    takes_key,
    takes_version,
)
from armature.edges.http.openapi_schemas import PREFIX, Schema, Schemas, without_null
from armature.edges.http.openapi_words import (
    ABOUT,
    CONDITION,
    DEVELOPMENT,
    HEADERS,
    IDEMPOTENCY,
    POSITION,
    REQUEST_ID,
    RESUME,
    SECURITY,
    VERSION,
)
from armature.engine.policies import Policies
from armature.kernel.event import event_type
from armature.kernel.operation import Operation, feeds, operations

__all__ = ["openapi"]


def openapi(contracts: Sequence[type], policies: Policies, *, title: str = "Armature API") -> dict[str, Any]:
    """Return the document for all operations of the contracts, as these policies serve them.

    With `development_identity` the headers that say who calls are part of it; without, a bearer token is asked for.
    """
    return _Document(contracts, policies).whole(title)


class _Document:
    def __init__(self, contracts: Sequence[type], policies: Policies) -> None:
        self._contracts = contracts
        self._policies = policies
        self._development = policies.http.development_identity
        self._operations = [one for contract in contracts for one in (*operations(contract), *feeds(contract))]
        self._refused = {one.full_name: refusals(one, self._limit(one) is not None) for one in self._operations}
        self._failures = list(dict.fromkeys(failure for all_of in self._refused.values() for failure in all_of))
        self._schemas = Schemas(self._operations, field_types(self._failures))
        self._bodies: dict[str, Schema] = {}

    def whole(self, title: str) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for operation in self._operations:
            path = self._prefix(operation) + operation.path
            paths.setdefault(path, {})[operation.method.lower()] = self._operation(operation)
        problems = problem_schemas(self._failures, self._schemas)
        version = max((one.version for one in self._operations), default=1)
        return {
            "openapi": "3.1.0",
            "info": {"title": title, "version": str(version), "description": ABOUT},
            "servers": [{"url": "/"}],
            "tags": [_tag(contract) for contract in self._contracts],
            "paths": paths,
            "components": {
                "schemas": {**self._schemas.components, **self._bodies, **problems},
                "headers": HEADERS,
                "securitySchemes": SECURITY[self._development],
            },
        }

    def _operation(self, operation: Operation) -> Schema:
        declared = operation.declared
        summary, _, rest = operation.doc.partition("\n")
        about = [rest.strip(), *(rule.text + "." for rule in declared.rules)]
        made: Schema = {
            "operationId": operation.full_name,
            "tags": [operation.contract],
            "summary": summary.strip(),
            "parameters": [*self._arguments(operation), *self._headers(operation)],
            "responses": {**self._answers(operation), **problem_responses(self._refused[operation.full_name])},
        }
        if any(about):
            made["description"] = "\n\n".join(filter(None, about))
        if operation.method in BODY_METHODS and operation.body_fields:
            made["requestBody"] = self._body(operation)
        made["security"] = self._security(operation)
        if declared.permission is not None:
            made["x-permission"] = declared.permission
        if (limit := self._limit(operation)) is not None:
            made["x-limit"] = limit
        return made

    def _arguments(self, operation: Operation) -> Iterator[Schema]:
        for name in operation.path_fields:
            yield self._parameter(operation, name, "path")
        if operation.method not in BODY_METHODS:
            for name in operation.body_fields:
                yield self._parameter(operation, name, "query")

    def _parameter(self, operation: Operation, name: str, place: str) -> Schema:
        schema = dict(without_null(self._schemas.argument(operation, name)))
        made: Schema = {"name": name, "in": place}
        if place == "path" or self._schemas.required(operation, name):
            made["required"] = True
            made["example"] = self._schemas.example(schema, name)
        if "description" in schema:
            made["description"] = schema.pop("description")
        return {**made, "schema": schema}

    def _headers(self, operation: Operation) -> Iterator[Schema]:
        if takes_key(operation):
            yield {**IDEMPOTENCY, "required": operation.declared.idempotency == "required"}
        if takes_version(operation):
            yield VERSION
        if operation.declared.kind == "query":
            if operation.declared.etag is not None:
                yield CONDITION
            yield POSITION
        if operation.declared.kind == "feed":
            yield RESUME
        yield REQUEST_ID
        if self._development:
            yield from DEVELOPMENT

    def _body(self, operation: Operation) -> Schema:
        fields = {name: self._schemas.argument(operation, name) for name in operation.body_fields}
        required = [name for name in fields if self._schemas.required(operation, name)]
        schema: Schema = {"type": "object", "properties": fields, "required": required, "additionalProperties": False}
        name = "".join(part.title() for part in (operation.contract, *operation.name.split("_"), "body"))
        self._bodies[name] = {"title": name, **schema}
        example = self._schemas.example(schema)
        content = {"schema": {"$ref": PREFIX + name}, "example": example}
        return {"required": bool(required), "content": {"application/json": content}}

    def _answers(self, operation: Operation) -> dict[str, Schema]:
        declared = operation.declared
        headers = ["X-Request-ID"]
        if declared.kind == "command":
            headers.append("Armature-Position")
        if takes_key(operation):
            headers.append("Idempotent-Replayed")
        if declared.location is not None:
            headers.append("Location")
        if declared.etag is not None and declared.status != 204:
            headers.append("ETag")
        named = {name: {"$ref": f"#/components/headers/{name}"} for name in headers}
        if declared.kind == "feed":
            return {"200": _stream(operation, named)}
        answer: Schema = {"description": "Done.", "headers": named}
        if declared.status != 204:
            schema = self._schemas.result(operation)
            answer["content"] = {"application/json": {"schema": schema, "example": self._schemas.example(schema)}}
        if declared.location is not None:
            answer["links"] = self._links(operation, declared.location)
        answers = {str(declared.status): answer}
        if declared.kind == "query" and declared.etag is not None:
            answers["304"] = {"description": "The version in If-None-Match is still the newest.", "headers": named}
        return answers

    def _links(self, maker: Operation, location: str) -> dict[str, Schema]:
        """What can be done with the thing that was made: every operation whose path begins where it now lives."""
        made = location.split("/")
        links: dict[str, Schema] = {}
        for operation in self._operations:
            parts = operation.path.split("/")[: len(made)]
            pairs = list(zip(parts, made, strict=False))
            if len(parts) == len(made) and all(a == b or (a[:1], b[:1]) == ("{", "{") for a, b in pairs):
                given = {a[1:-1]: f"$response.body#/{b[1:-1]}" for a, b in pairs if a.startswith("{")}
                if operation.contract == maker.contract and given:
                    links[operation.name] = {"operationId": operation.full_name, "parameters": given}
        return links

    def _security(self, operation: Operation) -> list[dict[str, list[str]]]:
        if operation.declared.permission is None:
            return []
        return [{}, {"actor": []}] if self._development else [{"bearer": []}]

    def _limit(self, operation: Operation) -> str | None:
        limits = self._policies.limits
        return limits.operations.get(operation.full_name) or operation.declared.limit or limits.default

    def _prefix(self, operation: Operation) -> str:
        return self._policies.http.prefix.format(version=operation.version)


def _stream(operation: Operation, headers: Schema) -> Schema:
    types = ", ".join(f"`{event_type(one).name}`" for one in operation.declared.of)
    text = f"Server-sent events for as long as the client stays: {types}; `data` is the event as JSON, `id` a cursor to resume."
    return {"description": text, "headers": headers, "content": {"text/event-stream": {"schema": {"type": "string"}}}}


def _tag(contract: type) -> Schema:
    name: str = vars(contract)["__contract_name__"]
    return {"name": name, "description": (contract.__doc__ or "").strip()}
