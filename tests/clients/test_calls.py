"""A made Python client, blocking and not, against a server that says what it is told: every refusal, every kind of repeat."""

import importlib
from decimal import Decimal
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID, uuid4

import msgspec
import pytest

from armature.clients.reading import platform_refusals
from armature.kernel.failure import Failure, FieldError
from armature.kernel.operation import operations
from armature.kernel.refusals import Invalid, KeyInFlight, Overloaded, RateLimited
from modules.counter.contract import Counters
from tests.clients.answers import Answer, Answers, refusing
from tests.clients.hands import Hand, do, walk
from tests.clients.strange import Stranges

ID = UUID("01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b")
COUNTER = b'{"id":"%s","name":"a","note":null,"value":1,"version":1}' % str(ID).encode()
# Without a Retry-After, as a proxy on the way would say it; one test waits for the header's second.
BUSY = Answer(503, refusing(Overloaded()).body)
QUICK: dict[str, Any] = {"pause_seconds": 0.001}
DECLARED = {
    (contract.__contract_name__, failure)  # type: ignore[attr-defined]
    for contract in (Counters, Stranges)
    for operation in operations(contract)
    for failure in operation.declared.refuses
}


def _sample(kind: Any) -> Any:
    if get_origin(kind) is list:
        return [_sample(get_args(kind)[0])]
    options = {UUID: ID, str: "text", int: 3, float: 1.0, FieldError: FieldError("a.b", "is wrong")}
    return next(options[one] for one in (kind, *get_args(kind)) if one in options)


def _failure(kind: type[Failure]) -> Failure:
    hints = get_type_hints(kind)
    return kind(**{name: _sample(hints[name]) for name in kind.fields})


@pytest.mark.parametrize("kind", platform_refusals(), ids=lambda one: one.code)
async def test_every_refusal_of_the_platform_has_a_class_with_its_fields(hand: Hand, kind: type[Failure]) -> None:
    await _raises(hand, _failure(kind), hand.package.refusals)


@pytest.mark.parametrize(("contract", "kind"), sorted(DECLARED, key=str), ids=lambda one: getattr(one, "code", one))
async def test_every_refusal_of_a_contract_has_a_class_with_its_fields(hand: Hand, contract: str, kind: type[Failure]) -> None:
    name = {"class": "class_v2"}.get(contract, contract)
    await _raises(hand, _failure(kind), importlib.import_module(f"{hand.package.__name__}.{name}"))


async def _raises(hand: Hand, failure: Failure, module: Any) -> None:
    expected = getattr(module, type(failure).__name__)
    async with hand:
        with Answers([refusing(failure)]) as server:
            client = hand.client(server.url, attempts_max=1)
            with pytest.raises(expected) as caught:
                if "class" in module.__name__:
                    await do(client.class_v2.get(name="a", shelf=ID))
                else:
                    await do(client.counter.get(counter_id=ID))
    assert type(caught.value) is expected and caught.value.problem.kind == failure.kind.value
    renamed = {wire: name for name, wire in expected.wires.items()}
    for name, value in failure.values().items():
        if name != "retry_after_seconds":
            assert msgspec.to_builtins(getattr(caught.value, renamed.get(name, name))) == msgspec.to_builtins(value)
    if "retry_after_seconds" in failure.fields:
        assert caught.value.retry_after_seconds == 1.0


@pytest.mark.parametrize(
    "first",
    [BUSY, Answer(504), refusing(RateLimited(rate="1/s", retry_after_seconds=1.0)), Answer(409, refusing(KeyInFlight()).body)],
)
async def test_a_command_is_repeated_with_its_key(hand: Hand, first: Answer) -> None:
    async with hand:
        with Answers([first, Answer(200, COUNTER)]) as server:
            made = await do(hand.client(server.url, **QUICK).counter.increment(counter_id=ID))
    assert made.value == 1 and len(server.asked) == 2
    assert len(set(server.keys())) == 1 and server.asked[0] == server.asked[1]


async def test_a_command_without_a_key_is_not_repeated_when_it_may_have_happened(hand: Hand) -> None:
    async with hand:
        with Answers([BUSY]) as server, pytest.raises(hand.package.refusals.Overloaded):
            await do(hand.client(server.url, **QUICK).class_v2.refusals())
    assert len(server.asked) == 1


async def test_a_server_in_trouble_is_spared(hand: Hand) -> None:
    async with hand:
        with Answers([Answer(503, b"busy")]) as server:
            client = hand.client(server.url, **QUICK, attempts_max=3, budget=0.0, budget_spare=4.0)
            for _ in range(5):
                with pytest.raises(hand.package.Refused):
                    await do(client.counter.totals())
    assert len(server.asked) == 5 + 4


async def test_what_the_server_asks_to_wait_is_not_waited_for_beyond_the_deadline(hand: Hand) -> None:
    async with hand:
        with Answers([refusing(RateLimited(rate="1/h", retry_after_seconds=3_600.0))]) as server:
            client = hand.client(server.url)
            with pytest.raises(hand.package.refusals.RateLimited) as caught:
                await do(client.counter.reset(counter_id=ID))
    assert (caught.value.rate, caught.value.retry_after_seconds, len(server.asked)) == ("1/h", 3_600.0, 1)


async def test_a_deadline_ends_a_call_that_nobody_answers_and_tells_its_key(hand: Hand) -> None:
    async with hand:
        with Answers([Answer(silent=True)]) as server:
            call = hand.package.Call(key="mine", deadline_seconds=0.2)
            with pytest.raises(hand.package.TooLate) as caught:
                await do(hand.client(server.url).counter.increment(counter_id=ID, call=call))
    assert (caught.value.key, caught.value.sent, len(server.asked)) == ("mine", True, 1)


async def test_nobody_there_is_no_answer_and_certainly_no_effect(hand: Hand) -> None:
    with Answers([Answer()]) as server:
        pass
    async with hand:
        with pytest.raises(hand.package.NoAnswer) as caught:
            await do(hand.client(server.url, **QUICK, attempts_max=2).counter.increment(counter_id=ID))
    assert caught.value.sent is False


async def test_an_answer_that_is_not_the_contracts_is_told_as_one(hand: Hand) -> None:
    async with hand:
        with Answers([Answer(200, b'{"id": 5}'), Answer(302, headers={"location": "/there"})]) as server:
            client = hand.client(server.url)
            with pytest.raises(hand.package.Unreadable, match="is not what the contract says"):
                await do(client.counter.get(counter_id=ID))
            with pytest.raises(hand.package.Unreadable, match="status 302"):
                await do(client.counter.get(counter_id=ID))


async def test_fields_and_codes_that_are_newer_than_the_client_break_nothing(hand: Hand) -> None:
    newer = Answer(409, b'{"code":"counter:frozen","detail":"It is frozen.","kind":"CONFLICT","status":409}')
    async with hand:
        with Answers([Answer(200, COUNTER[:-1] + b',"colour":"red"}'), newer]) as server:
            client = hand.client(server.url)
            assert (await do(client.counter.get(counter_id=ID))).value == 1
            with pytest.raises(hand.package.Refused, match=r"counter:frozen: It is frozen\.") as caught:
                await do(client.counter.reset(counter_id=ID))
    assert type(caught.value) is hand.package.Refused


async def test_queries_carry_the_position_of_the_last_command_until_the_log_is_another_one(hand: Hand) -> None:
    stranger = refusing(Invalid(errors=[FieldError("Armature-Position", "is not a position of this log")]))
    totals = Answer(200, b'{"counters":1,"value":1,"changes":1}')
    answers = [Answer(200, COUNTER, {"armature-position": "here"}), totals, stranger, totals, totals]
    async with hand:
        with Answers(answers) as server:
            client = hand.client(server.url)
            await do(client.counter.increment(counter_id=ID))
            assert client.position == "here"
            for _ in range(3):
                await do(client.counter.totals())
    sent = [one.headers.get("armature-position") for one in server.asked]
    assert sent == [None, "here", "here", None, None] and client.position is None


async def test_a_position_of_each_log_is_carried(hand: Hand) -> None:
    totals = Answer(200, b'{"counters":1,"value":1,"changes":1}')
    told = [Answer(200, COUNTER, {"armature-position": one}) for one in ("quota:a", "b", "quota:c")]
    async with hand:
        with Answers([told[0], totals, told[1], totals, told[2], totals]) as server:
            client = hand.client(server.url)
            for _ in range(3):
                await do(client.counter.increment(counter_id=ID))
                await do(client.counter.totals())
    assert [one.headers.get("armature-position") for one in server.asked][1::2] == ["quota:a", "b,quota:a", "b,quota:c"]


async def test_a_position_that_was_given_is_sent_and_its_refusal_told(hand: Hand) -> None:
    stranger = refusing(Invalid(errors=[FieldError("Armature-Position", "is not a position of this log")]))
    async with hand:
        with Answers([stranger]) as server, pytest.raises(hand.package.refusals.Invalid) as caught:
            await do(hand.client(server.url).counter.totals(call=hand.package.Call(position="elsewhere")))
    assert caught.value.errors[0].path == "Armature-Position"
    assert [one.headers.get("armature-position") for one in server.asked] == ["elsewhere"]


async def test_the_token_is_asked_for_at_each_attempt(hand: Hand) -> None:
    tokens = iter(["first", "second"])
    async with hand:
        with Answers([BUSY, Answer(200, COUNTER)]) as server:
            await do(hand.client(server.url, **QUICK, token=lambda: next(tokens)).counter.get(counter_id=ID))
    assert [one.headers["authorization"] for one in server.asked] == ["Bearer first", "Bearer second"]


async def test_awkward_arguments_arrive_as_the_contract_has_them(hand: Hand) -> None:
    made = importlib.import_module("made_client.class_v2")
    wish = made.Wish(text="a", colour=made.Colour.DEEP_BLUE, renamed="x")
    async with hand:
        with Answers(
            [Answer(200, b'{"a":[{"left":1,"right":2}]}'), Answer(404), Answer(200, b'{"items":[],"next_cursor":null}')]
        ) as server:
            client = hand.client(server.url)
            answer = await do(client.class_v2.delete(shelf=ID, wish=wish, price=Decimal("9.90"), key="k", first=2, note=None))
            with pytest.raises(hand.package.Refused):
                await do(client.class_v2.get(name="a b", shelf=ID, call_=True, many=[1, 2]))
            assert [one async for one in walk(client.class_v2.list_each_(limit=2))] == []
    assert answer["a"][0].right == 2
    assert msgspec.json.decode(server.asked[0].body) == {
        "wish": {"text": "a", "times": 2, "colour": "deep blue", "re-named": "x"},
        "price": "9.90",
        "key": "k",
        "first": 2,
        "note": None,
    }
    assert server.asked[1].path == f"/v2/things/a%20b/{ID}?call=true&many=1&many=2"
    assert server.asked[2].path == "/v2/things?limit=2"


async def test_a_feed_that_is_refused_for_good_says_so_and_one_that_is_not_goes_on(hand: Hand) -> None:
    told = f'{{"counter_id":"{ID}","value":1,"version":2}}'
    moved = f"retry: 1\nid: a\n\nid: b\nevent: newer.thing\ndata: {{}}\n\nid: c\nevent: counter.deleted\ndata: {told}\n\n"
    stream = Answer(200, moved.encode(), {"content-type": "text/event-stream"})
    async with hand:
        with Answers([BUSY, stream, BUSY, stream]) as server:
            feed = walk(hand.client(server.url, **QUICK).counter.events(counter_id=ID, after="start"))
            seen = [await anext(feed), await anext(feed)]
            await feed.aclose()
        assert [(one.id, one.type, one.event.version) for one in seen] == [("c", "counter.deleted", 2)] * 2
        assert [one.headers["last-event-id"] for one in server.asked] == ["start", "start", "c", "c"]
        with Answers([Answer(502, b"away")]) as server, pytest.raises(hand.package.Refused):
            await anext(walk(hand.client(server.url).counter.events(counter_id=ID)))


async def test_a_feed_gives_up_when_nothing_comes_for_too_many_openings(hand: Hand) -> None:
    async with hand:
        with Answers([Answer(200, b"", {"content-type": "text/event-stream"})]) as server:
            client = hand.client(server.url, **QUICK, feed_attempts_max=3)
            with pytest.raises(hand.package.NoAnswer, match="the feed ended"):
                await anext(walk(client.counter.events(counter_id=uuid4())))
    assert len(server.asked) == 4
