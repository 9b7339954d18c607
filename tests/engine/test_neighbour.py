"""A neighbour's query may be asked anywhere, its command not while a command decides; in every topology alike."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from armature.engine.call import NOBODY, Call, Identity
from armature.engine.neighbour import LocalNeighbour
from armature.engine.reactions import service_actor
from armature.engine.terms import Terms
from armature.kernel.refusals import Forbidden
from armature.kernel.work import WorkMisuse
from armature.testing.app import TestApp
from tests.engine import probe
from tests.engine.rack import add, at_gate, call, count, rack


async def test_a_command_may_ask_a_neighbour() -> None:
    async with rack() as app:
        item = await add(app, "apple")
        answer = await app.post("/v1/notes", json={"item_id": item})
        assert (answer.status, answer.json()["text"]) == (201, "apple")


async def test_a_neighbours_refusal_reaches_the_command() -> None:
    async with rack() as app:
        assert (await app.post("/v1/notes", json={"item_id": str(uuid4())})).code == "clerk:no_such_item"


async def test_a_neighbours_command_is_refused_and_has_no_effect() -> None:
    async with rack() as app:
        answer = await app.post("/v1/overreach")
        assert (answer.status, answer.code) == (500, "system:bug")
        assert "the command rack.add while it decides" in answer.problem()["details"]
        assert (probe.runs["add"], await count(app)) == (0, 0)


async def test_a_caller_without_the_neighbours_permission_is_refused_there() -> None:
    async with rack(ROLES='{"clerk": ["clerk:write"]}') as app:
        item = await add(app, "apple")
        answer = await app.post("/v1/notes", json={"item_id": item}, actor="ann", roles="clerk")
        assert (answer.status, answer.code) == (403, "auth:forbidden")


async def test_a_re_run_decides_on_what_the_neighbour_said_the_first_time() -> None:
    async with rack() as app:
        item = await add(app, "apple")
        note = (await app.post("/v1/notes", json={"item_id": item})).json()["id"]
        probe.runs.clear()
        async with at_gate("again", app.post(f"/v1/notes/{note}/again", json={"item_id": item})) as held:
            assert (await app.post(f"/v1/notes/{note}/again", json={"item_id": item})).status == 200
        assert ((await held).status, (await held).json()["version"]) == (200, 3)
        assert (probe.runs["again"], probe.runs["get"]) == (3, 2)


@pytest.mark.parametrize(("reruns", "status"), [("1", 503), ("2", 200)], ids=["holding the row", "without it"])
async def test_a_re_run_that_asks_something_new_gives_up_if_it_holds_the_row(reruns: str, status: int) -> None:
    async with rack(COMMANDS__RERUNS_MAX=reruns) as app:
        item, other = await add(app, "apple"), await add(app, "pear")
        note = (await app.post("/v1/notes", json={"item_id": item})).json()["id"]
        body = {"item_id": item, "later": other}
        async with at_gate("again", app.post(f"/v1/notes/{note}/again", json=body)) as held:
            assert (await app.post(f"/v1/notes/{note}/again", json={"item_id": item})).status == 200
        answer = await held
        assert answer.status == status
        if status == 503:
            assert (answer.code, answer.headers["retry-after"]) == ("system:unavailable", "1")
            assert "rack.get" in answer.problem()["what"]


async def test_a_neighbour_may_be_asked_also_while_the_row_is_hot() -> None:
    async with rack(COMMANDS__HOT_ROW_SECONDS="60") as app:
        item = await add(app, "apple")
        note = (await app.post("/v1/notes", json={"item_id": item})).json()["id"]
        for _ in range(2):  # the second conflict makes it hot
            async with at_gate("again", app.post(f"/v1/notes/{note}/again", json={"item_id": item})) as held:
                assert (await app.post(f"/v1/notes/{note}/again", json={"item_id": item})).status == 200
            assert (await held).status == 200
        after = await app.post(f"/v1/notes/{note}/again", json={"item_id": item})
        assert (after.status, after.json()["version"]) == (200, 6)


async def test_a_command_that_asks_only_sometimes_is_not_refused_because_its_row_is_hot() -> None:
    async with rack(COMMANDS__HOT_ROW_SECONDS="60") as app:
        item = await add(app, "apple")
        note = (await app.post("/v1/notes", json={"item_id": item})).json()["id"]
        for _ in range(2):
            async with at_gate("again", app.post(f"/v1/notes/{note}/again")) as held:
                assert (await app.post(f"/v1/notes/{note}/again")).status == 200
            assert (await held).status == 200, "it asked nobody, so its kind is known to want this row"
        after = await app.post(f"/v1/notes/{note}/again", json={"item_id": item})
        assert (after.status, after.json()["version"]) == (200, 6)


def asked(app: TestApp, terms: dict[str, Terms]) -> LocalNeighbour:
    """Return the rack as a module with these terms has it."""
    neighbour = LocalNeighbour("clerk", terms)
    neighbour.connect(one for one in app.system.core.pipelines if one.operation.full_name.startswith("rack."))
    return neighbour


def by(identity: Identity, app: TestApp) -> Call:
    """Return the context of a clerk's query."""
    made = call(app, "rack.get")
    made.identity, made.operation = identity, "clerk.look"
    return made


async def test_an_operation_that_uses_does_not_name_is_refused_in_words() -> None:
    async with rack() as app:
        neighbour: Any = asked(app, {})
        with pytest.raises(WorkMisuse, match=r"clerk\.look asks rack\.get, and uses: of modules/clerk/module\.yaml does not"):
            await neighbour.get(by(Identity("ann", frozenset("*")), app), item_id=uuid4())


async def test_a_module_that_asks_for_itself_may_what_it_was_granted_whoever_called() -> None:
    async with rack() as app:
        item = await add(app, "apple")
        for held, allowed in ((("rack:read",), True), ((), False)):
            own = Identity("module:clerk", frozenset(held))
            neighbour: Any = asked(app, {"rack.get": Terms("clerk", "rack.get", own)})
            for caller in (NOBODY, Identity("ann", frozenset(("*",)))):
                if allowed:
                    assert (await neighbour.get(by(caller, app), item_id=UUID(item))).name == "apple"
                else:
                    with pytest.raises(Forbidden):
                        await neighbour.get(by(caller, app), item_id=UUID(item))


async def test_a_module_that_acts_by_itself_has_no_actor_to_send_along() -> None:
    async with rack() as app:
        neighbour: Any = asked(app, {"rack.get": Terms("clerk", "rack.get")})
        with pytest.raises(WorkMisuse, match="write `rack.get as module` in uses:"):
            await neighbour.get(by(service_actor("clerk"), app), item_id=uuid4())
