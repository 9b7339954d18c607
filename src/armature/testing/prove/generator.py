"""Invents a client of any set of contracts: it creates, changes, deletes and reads, repeats itself with the same key, sends a
used key with another body, old versions as If-Match, unknown ids, taken names and senseless values."""

from collections.abc import Sequence
from random import Random
from urllib.parse import quote

import msgspec
from msgspec import structs

from armature.kernel.operation import Operation
from armature.testing.prove.trace import Answer, Step
from armature.testing.prove.values import Values, plain

__all__ = ["Generator"]

_IDS_KEPT = 40


class Generator:
    """The client of one tenant. `step` invents the next request, `told` hears its answer."""

    def __init__(self, operations: Sequence[Operation], prefix: str, roles: Sequence[str], tenant: str, seed: int) -> None:
        if not operations:
            raise ValueError("no module has an operation to play; run it in a project that has some")
        self._random = Random(f"{seed}\0{tenant}")
        self._operations = operations
        self._prefix = prefix
        self._roles = roles
        self._tenant = tenant
        self._by_name = {one.full_name: one for one in operations}
        self._known: list[str] = []
        self._parents = {_parent(one) for one in operations if len(one.path_fields) > 1}
        self._places: dict[str, list[str]] = {}
        """By the path below which something was made inside of another thing: where it is now."""
        self._answered: dict[str, list[str]] = {}
        self._etags: dict[str, str] = {}
        self._keyed: list[Step] = []
        self._values = Values(self._random, lambda: self._known)

    def step(self, number: int) -> Step:
        """Invent a request."""
        random = self._random
        if self._keyed and random.random() < 0.1:
            return self._again(number)
        operation = self._choice(number)
        path, body = self._written(operation)
        headers = {
            "x-tenant-id": self._tenant,
            "x-actor": self._actor(number),
            "x-roles": self._held(),
            "x-request-id": f"r-{number}",
        }
        if body:
            headers["content-type"] = "application/json"
        if operation.declared.kind == "command":
            self._conditions(operation, path, headers, number)
        step = Step(self._tenant, number, operation.full_name, operation.method, path, headers, body)
        if "idempotency-key" in headers:
            self._keyed = [*self._keyed[-20:], step]
        return step

    def told(self, step: Step, answer: Answer) -> None:
        """Hear what came back; ids and versions in it are used later."""
        if not 200 <= answer.status < 300:
            return
        if step.method == "DELETE":
            # Most clients forget what they have deleted; the others learn that it is gone.
            for kept in (self._known, *self._places.values(), *self._answered.values()):
                kept[:] = [one for one in kept if not step.path.endswith(one) or self._random.random() < 0.2]
            return
        self._note(step.path)
        try:
            found = msgspec.json.decode(answer.body)
        except msgspec.DecodeError:
            return
        identity = found.get("id") if isinstance(found, dict) else None
        above = self._by_name[step.operation].path
        if isinstance(identity, str) and above in self._parents:
            self._places[above] = [*self._places.get(above, []), f"{step.path}/{identity}"][-_IDS_KEPT:]
        elif isinstance(identity, str):
            if identity not in self._known:
                self._known = [*self._known, identity][-_IDS_KEPT:]
            if "etag" in answer.headers:
                self._etags[identity] = answer.headers["etag"]

    def _note(self, path: str) -> None:
        """Remember which things a family of paths knows: not every counter has a quota."""
        family, here = self._family(path), next((one for one in self._known if f"/{one}" in path), None)
        if here is not None and here not in self._answered.setdefault(family, []):
            self._answered[family] = [*self._answered[family], here][-_IDS_KEPT:]

    def _family(self, path: str) -> str:
        return path.removeprefix(self._prefix.format(version=1)).split("/")[1]

    def _choice(self, number: int) -> Operation:
        creating = [one for one in self._operations if one.declared.status == 201 and not one.path_fields]
        if creating and (len(self._known) < 3 or self._random.random() < 0.1):
            return self._random.choice(creating)
        # Reads of projections are compared at the end, when they have caught up; those with an entity tag read own tables.
        weights = [self._weight(one) for one in self._operations]
        return self._random.choices(self._operations, weights)[0]

    def _weight(self, operation: Operation) -> int:
        if operation.declared.kind == "query":
            return 4 if operation.declared.etag else 0
        return 2 if operation.method == "DELETE" else 8

    def _written(self, operation: Operation) -> tuple[str, str]:
        arguments, path = {}, self._path(operation)
        for field in structs.fields(operation.arguments):
            if field.name in operation.path_fields:
                value = quote(plain(self._values.of(field.type)), safe="")
                path = path.replace(f"{{{field.name}}}", value)
            elif field.required or self._random.random() < 0.6:
                arguments[field.encode_name] = self._values.of(field.type)
        if operation.method in ("POST", "PUT", "PATCH"):
            return path, msgspec.json.encode(arguments).decode()
        return path, ""

    def _path(self, operation: Operation) -> str:
        """The path with its fields still open, or closed with what was made there or answered there before."""
        path = self._prefix.format(version=operation.version) + operation.path
        places, answered = self._places.get(_parent(operation)), self._answered.get(self._family(path))
        if len(operation.path_fields) > 1 and places and self._random.random() < 0.8:
            return self._random.choice(places)
        if operation.path_fields and answered and self._random.random() < 0.5:
            return path.replace(f"{{{operation.path_fields[0]}}}", self._random.choice(answered[-8:]))
        return path

    def _conditions(self, operation: Operation, path: str, headers: dict[str, str], number: int) -> None:
        random = self._random
        identity = next((one for one in self._etags if one in path), None)
        if operation.declared.etag and identity is not None and random.random() < 0.25:
            headers["if-match"] = self._etags[identity] if random.random() < 0.6 else '"1"'
        if operation.declared.idempotency != "none" and not operation.declared.public and random.random() < 0.5:
            headers["idempotency-key"] = f"k-{number}"

    def _again(self, number: int) -> Step:
        before = self._random.choice(self._keyed)
        body = before.body
        if self._random.random() < 0.2:
            body = '{"other":1}' if body else body
        headers = {**before.headers, "x-request-id": f"r-{number}"}
        return structs.replace(before, number=number, headers=headers, body=body)

    def _actor(self, number: int) -> str:
        """Each step is somebody else's, so that no rate limit tells one topology from another; some are nobody's."""
        return "none" if self._random.random() < 0.015 else f"actor-{number}"

    def _held(self) -> str:
        return "" if self._random.random() < 0.02 else ",".join(self._roles)


def _parent(operation: Operation) -> str:
    return operation.path.rpartition("/")[0]
