"""Every operation of the counters, called by a client that knows nothing but the `.proto`."""

import uuid
from typing import Any

import grpc
import pytest

from tests.grpc_edge.conftest import Open, Site
from tests.grpc_edge.refusal import refused

STRANGER = str(uuid.UUID("01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b"))


async def created(site: Site, name: str = "visits", **metadata: str) -> Any:
    return await site.counters.Create(site.messages.CreateRequest(name=name), metadata=tuple(metadata.items()))


async def test_every_operation_answers(site: Open) -> None:
    async with site() as found:
        m, counters = found.messages, found.counters
        made = await created(found)
        other = await created(found, "other")
        assert (made.name, made.value, made.version, made.HasField("note")) == ("visits", 0, 1, False)
        assert (await counters.Increment(m.IncrementRequest(counter_id=made.id, by=5))).value == 5
        assert (await counters.Increment(m.IncrementRequest(counter_id=made.id))).value == 6
        assert (await counters.Decrement(m.DecrementRequest(counter_id=made.id, by=2))).value == 4
        assert (await counters.Transfer(m.TransferRequest(counter_id=made.id, to=other.id, by=3))).value == 1
        assert (await counters.Get(m.GetRequest(counter_id=other.id))).value == 3
        edited = await counters.Edit(m.EditRequest(counter_id=made.id, note="a note"))
        assert (edited.name, edited.note) == ("visits", "a note")
        assert (await counters.Edit(m.EditRequest(counter_id=made.id, name="new"))).note == "a note"
        assert not (await counters.Edit(m.EditRequest(counter_id=made.id, note_null=0))).HasField("note")
        page = await counters.List(m.ListRequest(limit=1))
        assert [one.name for one in page.items] == ["new"] and page.next_cursor
        after = await counters.List(m.ListRequest(limit=1, cursor=page.next_cursor))
        assert [one.name for one in after.items] == ["other"] and after.WhichOneof("next_cursor_or_null") == "next_cursor_null"
        numbered = await counters.List(m.ListRequest(page=0, sort="value", order="desc"))
        assert (numbered.page, numbered.total) == (0, 2) and numbered.WhichOneof("next_cursor_or_null") is None
        assert (await counters.Reset(m.ResetRequest(counter_id=made.id))).value == 0
        assert (await counters.Delete(m.DeleteRequest(counter_id=made.id))).ByteSize() == 0
        call = counters.Increment(m.IncrementRequest(counter_id=other.id))
        position = dict(await call.trailing_metadata())["armature-position"]
        told = (("armature-position", position),)
        assert (await counters.Totals(m.TotalsRequest(), metadata=told)).value == 4
        history = await counters.History(m.HistoryRequest(counter_id=other.id), metadata=told)
        assert [one.operation for one in history.items] == ["create", "transfer", "increment"]
        assert history.items[0].at.ToDatetime().date() == found.clock.now().date()


async def test_what_http_says_in_headers_stands_in_the_trailing_metadata(site: Open) -> None:
    async with site() as found:
        call = found.counters.Create(found.messages.CreateRequest(name="a"), metadata=(("x-request-id", "request-1"),))
        made = await call
        told = dict(await call.trailing_metadata())
        assert told["etag"] == '"1"' and told["location"] == f"/v1/counters/{made.id}"
        assert told["x-request-id"] == "request-1" and told["armature-position"]
        assert (await found.rest.get(f"/v1/counters/{made.id}")).json()["id"] == made.id


async def test_a_refusal_carries_its_code_and_its_fields(site: Open) -> None:
    async with site() as found:
        m, counters = found.messages, found.counters
        made = await created(found)
        gone = await refused(counters.Get(m.GetRequest(counter_id=STRANGER)))
        assert (gone.code, gone.info.reason, gone.info.domain) == (grpc.StatusCode.NOT_FOUND, "counter:not_found", "counter.v1")
        assert gone.info.metadata == {"counter_id": STRANGER} and STRANGER in gone.text
        little = await refused(counters.Decrement(m.DecrementRequest(counter_id=made.id)))
        assert little.code is grpc.StatusCode.FAILED_PRECONDITION
        assert little.info.metadata == {"counter_id": made.id, "value": "0"}
        taken = await refused(created(found))
        assert (taken.code, taken.info.reason) == (grpc.StatusCode.ALREADY_EXISTS, "counter:name_taken")


async def test_every_wrong_field_is_named(site: Open) -> None:
    async with site() as found:
        m, counters = found.messages, found.counters
        wrong = await refused(counters.Transfer(m.TransferRequest(counter_id="x", by=0)))
        assert (wrong.code, wrong.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "request:invalid")
        assert sorted(one.field for one in wrong.bad.field_violations) == ["by", "counter_id", "to"]
        missing = await refused(counters.Get(m.GetRequest()))
        assert [(one.field, one.description) for one in missing.bad.field_violations] == [("counter_id", "is required")]
        rule = await refused(counters.List(m.ListRequest(page=1, cursor="c")))
        assert [one.field for one in rule.bad.field_violations] == ["cursor"]


async def test_bytes_and_fields_that_are_none_of_ours_are_refused(site: Open) -> None:
    async with site() as found:
        raw = found.channel.unary_unary("/counter.v1.Counters/Get")
        malformed = await refused(raw(b"\xff\xff"))
        assert (malformed.code, malformed.info.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "request:malformed")
        unknown = await refused(raw(b"\xf8\x07\x01"))
        assert [(one.field, one.description) for one in unknown.bad.field_violations] == [("field 127", "unknown field")]
        with pytest.raises(grpc.aio.AioRpcError) as nothing:
            await found.channel.unary_unary("/counter.v1.Counters/Steal")(b"")
        assert nothing.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_who_calls_is_asked_as_over_http(site: Open) -> None:
    async with site() as found:
        m, counters = found.messages, found.counters
        nobody = await refused(counters.Totals(m.TotalsRequest(), metadata=(("x-actor", "none"),)))
        assert (nobody.code, nobody.info.reason) == (grpc.StatusCode.UNAUTHENTICATED, "auth:unauthenticated")
        reader = (("x-actor", "ann"), ("x-roles", "counter.reader"))
        await counters.Totals(m.TotalsRequest(), metadata=reader)
        forbidden = await refused(counters.Create(m.CreateRequest(name="a"), metadata=reader))
        assert (forbidden.code, forbidden.info.metadata) == (
            grpc.StatusCode.PERMISSION_DENIED,
            {"permission": "counter:write"},
        )
        made = await created(found, "a", **{"x-tenant-id": "acme"})
        assert (await refused(counters.Get(m.GetRequest(counter_id=made.id)))).code is grpc.StatusCode.NOT_FOUND
        strange = await refused(counters.Totals(m.TotalsRequest(), metadata=(("x-tenant-id", "a b"),)))
        assert [one.field for one in strange.bad.field_violations] == ["X-Tenant-ID"]


async def test_a_key_replays_the_answer(site: Open) -> None:
    async with site() as found:
        m, counters = found.messages, found.counters
        made = await created(found)
        key = (("idempotency-key", "once-only"),)
        first = await counters.Increment(m.IncrementRequest(counter_id=made.id, by=2), metadata=key)
        again = counters.Increment(m.IncrementRequest(counter_id=made.id, by=2), metadata=key)
        assert await again == first and first.value == 2
        told = dict(await again.trailing_metadata())
        assert (told["idempotent-replayed"], told["etag"]) == ("true", '"2"')
        other = await refused(counters.Increment(m.IncrementRequest(counter_id=made.id, by=3), metadata=key))
        assert other.info.reason == "idempotency:key_reused"
        assert (await counters.Get(m.GetRequest(counter_id=made.id))).value == 2
        new = await created(found, "b", **{"idempotency-key": "make-it"})
        again = counters.Create(m.CreateRequest(name="b"), metadata=(("idempotency-key", "make-it"),))
        assert await again == new
        assert dict(await again.trailing_metadata())["location"] == f"/v1/counters/{new.id}"


ONCE = ["Armature-Position", "Authorization", "Idempotency-Key", "If-Match", "X-Actor", "X-Roles", "X-Tenant-ID"]


@pytest.mark.parametrize("name", ONCE)
async def test_what_counts_once_is_refused_when_it_is_sent_again(site: Open, name: str) -> None:
    async with site() as found:
        twice = ((name.lower(), "same"), ("accept", "a"), (name.lower(), "same"))
        answer = await refused(found.counters.Totals(found.messages.TotalsRequest(), metadata=twice))
        said = [(one.field, one.description) for one in answer.bad.field_violations]
        assert said == [(name, "is sent more than once; send it once")]


async def test_a_stale_version_is_refused(site: Open) -> None:
    async with site() as found:
        m, counters = found.messages, found.counters
        made = await created(found)
        request = m.IncrementRequest(counter_id=made.id)
        assert (await counters.Increment(request, metadata=(("if-match", '"1"'),))).version == 2
        stale = await refused(counters.Increment(request, metadata=(("if-match", '"1"'),)))
        assert (stale.code, stale.info.reason) == (grpc.StatusCode.ABORTED, "request:stale")
        assert stale.info.metadata == {"current": '"2"'}


async def test_a_rate_says_when_to_come_back(site: Open) -> None:
    async with site(LIMITS__OPERATIONS='{"counter.reset": "1/minute"}') as found:
        m, counters = found.messages, found.counters
        made = await created(found)
        await counters.Reset(m.ResetRequest(counter_id=made.id))
        often = await refused(counters.Reset(m.ResetRequest(counter_id=made.id)))
        assert (often.code, often.info.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "limit:exceeded")
        assert 0 < often.retry.retry_delay.seconds <= 60
