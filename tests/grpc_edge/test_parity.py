"""One contract, three ways in: the same input over REST, over gRPC and within the process comes to the same.

Each way has counters of its own with the same history, made by the same steps; ids are compared by the name they have in the
steps. Inputs are good and bad in every way that the types allow. A defect that is sown into the codec is found.
"""

import asyncio
import itertools
import time
from collections.abc import Mapping
from typing import Any

import grpc
import msgspec
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from armature.edges.grpc import codec
from armature.engine.call import Identity
from armature.kernel.failure import Failure
from armature.kernel.operation import operations
from armature.testing.reacted import reacted
from modules.counter.contract import Counters
from modules.desk.contract import Desk
from modules.quota.contract import Quotas
from tests.grpc_edge.conftest import Open, Site
from tests.grpc_edge.refusal import Refused

STRANGER = "01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b"
CONTRACTS = (Counters, Quotas, Desk)
OPERATIONS = {one.full_name: one for contract in CONTRACTS for one in operations(contract)}
WAYS = ("rest", "grpc", "inside")
UNLIMITED = {"LIMITS__OPERATIONS": '{"counter.reset": "100000/second"}'}

Step = tuple[str, dict[str, Any]]
Came = tuple[str, Any]

names = st.sampled_from(["a", "b", " c ", "", " ", "x" * 80, "x" * 81, "é", '"name":"'])
notes = st.none() | st.sampled_from(["", "n", " n ", "x" * 500, "x" * 501])
ids = st.sampled_from(["#0", "#1", "#0", "#2", STRANGER, "no id"])
steps_by = st.sampled_from([1, 2, 1_000_000, 0, -1, 1_000_001, 2**62])
limits = st.sampled_from([1, 2, 200, 0, 201, -5])
allowed = st.sampled_from([0, 5, 1_000_000_000, -1, 1_000_000_001])
amounts = st.sampled_from([1, 4, 1_000_000, 0, 1_000_001])


def _some(required: Mapping[str, Any], optional: Mapping[str, Any]) -> Any:
    """Arguments; what is required is left out now and then, unless it stands in the path."""
    path = {name: one for name, one in required.items() if name in ("counter_id", "reservation_id")}
    rest = {name: one for name, one in required.items() if name not in path}
    return st.fixed_dictionaries(path, optional={**optional, **rest}) | st.fixed_dictionaries(
        dict(required), optional=dict(optional)
    )


STEPS: dict[str, Any] = {
    "counter.create": _some({"name": names}, {"note": notes}),
    "counter.totals": _some({}, {}),
    "counter.get": _some({"counter_id": ids}, {}),
    "counter.list": _some(
        {},
        {
            "limit": limits,
            "cursor": st.sampled_from(["no cursor", ""]),
            "page": st.sampled_from([0, 1, -1, 100_001]),
            "size": limits,
            "sort": st.sampled_from(["name", "value", "created", "colour", ""]),
            "order": st.sampled_from(["asc", "desc", "up"]),
        },
    ),
    "counter.increment": _some({"counter_id": ids}, {"by": steps_by}),
    "counter.decrement": _some({"counter_id": ids}, {"by": steps_by}),
    "counter.reset": _some({"counter_id": ids}, {}),
    "counter.transfer": _some({"counter_id": ids, "to": ids, "by": steps_by}, {}),
    "counter.edit": _some({"counter_id": ids}, {"name": names, "note": notes}),
    "counter.delete": _some({"counter_id": ids}, {}),
    "counter.history": _some({"counter_id": ids}, {"limit": limits, "cursor": st.sampled_from(["no cursor"])}),
    "quota.set_limit": _some({"counter_id": ids, "allowed": allowed}, {}),
    "quota.get": _some({"counter_id": ids}, {}),
    "quota.usage": _some({"counter_id": ids}, {}),
    "quota.reserve": _some({"counter_id": ids}, {"amount": amounts, "seconds": st.sampled_from([1, 86_400, 0, 86_401])}),
    "quota.release": _some({"counter_id": ids, "reservation_id": ids}, {}),
    "quota.reservations": _some({"counter_id": ids}, {"limit": limits, "cursor": st.sampled_from(["no cursor"])}),
    "desk.board": _some({"counter_id": ids}, {}),
}
stories = st.lists(st.one_of(*[st.tuples(st.just(name), one) for name, one in STEPS.items()]), min_size=1, max_size=8)


def test_every_operation_has_its_inputs() -> None:
    assert STEPS.keys() == OPERATIONS.keys()


class Ways:
    """The three ways into one process, each with a tenant of its own, so that the same steps find the same."""

    def __init__(self, site: Site, story: int) -> None:
        self._site = site
        self._story = story
        self.made: dict[str, list[str]] = {way: [] for way in WAYS}

    async def took(self, step: Step) -> dict[str, Came]:
        """What a step came to, by way."""
        return {way: self._plain(way, await getattr(self, way)(step[0], self._filled(way, step[1]))) for way in WAYS}

    async def rest(self, name: str, arguments: dict[str, Any]) -> Came:
        operation = OPERATIONS[name]
        path = "/v1" + operation.path.format_map(arguments)
        rest = {key: value for key, value in arguments.items() if key not in operation.path_fields}
        headers = {"x-tenant-id": self._tenant("rest"), "content-type": "application/json"}
        if operation.method == "GET":
            query = "&".join(f"{key}={value}" for key, value in rest.items())
            answer = await self._site.rest.request("GET", f"{path}?{query}" if query else path, headers=headers)
        else:
            answer = await self._site.rest.request(operation.method, path, body=msgspec.json.encode(rest), headers=headers)
        body = answer.json() if answer.body else None
        if answer.status < 400:
            return "ok", body
        return body["code"], sorted((one["path"], one["message"]) for one in body.get("errors", ()))

    async def grpc(self, name: str, arguments: dict[str, Any]) -> Came:
        contract, _, word = name.partition(".")
        method = word.title().replace("_", "")
        client = self._site.clients[contract]
        kind = getattr(client.messages, f"{method}Request")
        request = kind(**{key: value for key, value in arguments.items() if value is not None})
        if name == "counter.edit" and arguments.get("note", "") is None:
            request.note_null = 0
        try:
            answer = await getattr(client.stub, method)(request, metadata=(("x-tenant-id", self._tenant("grpc")),))
        except grpc.aio.AioRpcError as error:
            refused = Refused(error)
            violations = refused.bad.field_violations if refused.bad else ()
            return refused.info.reason, sorted((one.field, one.description) for one in violations)
        return "ok", None if OPERATIONS[name].result is type(None) else _json(answer)

    async def inside(self, name: str, arguments: dict[str, Any]) -> Came:
        """As a neighbour calls it: with values. It trims its texts itself, and is told of its first mistake."""
        pipeline = self._site.system.core.pipeline(name)
        call = pipeline.new_call(self._tenant("inside"), Identity("developer", frozenset({"*"})), "inside")
        given = {key: value.strip() if isinstance(value, str) else value for key, value in arguments.items()}
        try:
            answer = await pipeline.run(call, pipeline.arguments.from_values(given), "inside", ())
        except Failure as failure:
            return failure.code, sorted((one.path, one.message) for one in getattr(failure, "errors", ()))
        return "ok", msgspec.json.decode(answer.body)

    def _tenant(self, way: str) -> str:
        return f"{way}-{self._story}"

    def _filled(self, way: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with the ids that `#0` and `#1` stand for."""
        made = self.made[way]

        def value(one: Any) -> Any:
            if isinstance(one, str) and one.startswith("#"):
                return made[int(one[1:])] if int(one[1:]) < len(made) else STRANGER
            return one

        return {name: value(one) for name, one in arguments.items()}

    def _plain(self, way: str, came: Came) -> Came:
        """With ids as the steps call them, and without what no two calls share."""
        made = self.made[way]

        def plain(one: Any) -> Any:
            if isinstance(one, dict):
                if "id" in one and one["id"] not in made:
                    made.append(one["id"])
                return {name: plain(_shared(name, value)) for name, value in one.items()}
            if isinstance(one, list):
                return [plain(value) for value in one]
            return f"#{made.index(one)}" if one in made else one

        return came[0], plain(came[1])


def _shared(name: str, value: Any) -> Any:
    """Times and cursors are each call's own; that they are there is not."""
    return name if name in ("at", "expires_at", "next_cursor") and value is not None else value


def _json(message: Message) -> Any:
    """A message as the same answer is over REST: what each field means is taken from the descriptor, not from our code."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.name.endswith("_null"):
            if message.HasField(field.name):
                found[field.name.removesuffix("_null")] = None
        elif field.is_repeated:
            found[field.name] = [_json(one) if isinstance(one, Message) else one for one in value]
        elif isinstance(value, Timestamp):
            found[field.name] = value.ToJsonString()
        elif isinstance(value, Message):
            found[field.name] = _json(value) if message.HasField(field.name) else None
        elif field.has_presence and not message.HasField(field.name):
            # `optional` is null in a struct's field, and absent in what a page leaves out.
            if field.containing_oneof is None or field.containing_oneof.name.startswith("_"):
                found |= {} if field.name in ("page", "size", "total") else {field.name: None}
        else:
            found[field.name] = value
    return found


async def _play(site: Site, number: int, story: list[Step]) -> None:
    ways = Ways(site, number)
    for step in story:
        if step[0] in ("counter.totals", "counter.history") or not step[0].startswith("counter."):
            await reacted(site.system.core)
            await _settled(site)
        came = await ways.took(step)
        assert came["rest"] == came["grpc"], step
        code, told = came["rest"]
        if code == "request:invalid":
            # One who calls with values is told of one mistake at a time.
            paths = {path for path, _ in told}
            assert came["inside"][0] == code and {_path(one) for one in came["inside"][1]} <= paths, (step, came)
        else:
            assert came["rest"] == came["inside"], step


def _path(error: tuple[str, str]) -> str:
    """What an error is about; of an argument that is missing the message has the name."""
    path, message = error
    return path or message.rpartition(" ")[2].strip("`")


BEGINNING: list[Step] = [
    ("counter.create", {"name": "first"}),
    ("counter.create", {"name": "second", "note": "n"}),
    ("quota.set_limit", {"counter_id": "#0", "allowed": 5}),
    ("quota.reserve", {"counter_id": "#0", "amount": 2}),
]


def test_every_way_comes_to_the_same(site: Open) -> None:
    numbers = itertools.count()
    with asyncio.Runner() as runner:
        opened = site(**UNLIMITED)
        found = runner.run(opened.__aenter__())
        try:

            @settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
            @given(stories)
            def play(story: list[Step]) -> None:
                runner.run(_play(found, next(numbers), [*BEGINNING, *story]))

            play()
        finally:
            runner.run(opened.__aexit__(None, None, None))


STORY: list[Step] = [
    ("counter.create", {"name": "a", "note": "n"}),
    ("counter.increment", {"counter_id": "#0", "by": 2}),
    ("counter.edit", {"counter_id": "#0", "note": None}),
    ("counter.list", {"limit": 1}),
    ("counter.history", {"counter_id": "#0"}),
    ("counter.transfer", {"counter_id": "#0"}),
]


async def test_the_story_of_the_defects_is_sound_without_one(site: Open) -> None:
    async with site(**UNLIMITED) as found:
        await _play(found, 0, STORY)


@pytest.mark.parametrize("defect", ["null is absent", "no notes", "arguments are lost"])
async def test_a_defect_is_found(defect: str, site: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    received, maybe = codec._received, codec._maybe
    if defect == "null is absent":
        monkeypatch.setattr(codec, "_received", lambda message: (one for one in received(message) if "None}" not in one))
    elif defect == "no notes":
        monkeypatch.setattr(codec, "_maybe", lambda field, value: "None" if field.name == "note" else maybe(field, value))
    else:
        monkeypatch.setattr(codec, "_received", lambda message: (one for one in received(message) if "'by'" not in one))
    async with site(**UNLIMITED) as found:
        with pytest.raises(AssertionError):
            await _play(found, 0, STORY)


async def _settled(site: Site) -> None:
    core = site.system.core
    head, until = await core.log.head(), time.monotonic() + 20.0
    for name in core.read_models.fingerprints:
        while not await _reached(site, name, head):
            assert time.monotonic() < until, f"{name} did not reach {head}"
            await asyncio.sleep(0.001)
        await core.read_models.look(name)


async def _reached(site: Site, projection: str, head: int) -> bool:
    rows = await site.system.core.generations.of(projection)
    return any(row.state == "live" and row.position >= head for row in rows)
