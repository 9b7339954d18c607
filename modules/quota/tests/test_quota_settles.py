"""Quotas follow their counters by what those tell: each step once, in its order."""

from uuid import UUID

from armature.testing import TestApp
from modules.quota.contract import Quota


async def counted(app: TestApp, value: int = 0) -> UUID:
    made = await app.call("counter.create", name="visits")
    if value:
        await app.call("counter.increment", counter_id=made.id, by=value)
    return UUID(str(made.id))


async def quota_of(app: TestApp, counter: UUID) -> Quota:
    await app.settled()
    found: Quota = await app.call("quota.get", counter_id=counter)
    return found


async def test_what_was_reserved_becomes_what_is_used(app: TestApp) -> None:
    counter = await counted(app)
    await app.call("quota.set_limit", counter_id=counter, allowed=10)
    await app.call("quota.reserve", counter_id=counter, amount=4)
    await app.call("quota.reserve", counter_id=counter, amount=2)
    await app.call("counter.increment", counter_id=counter, by=5)
    found = await quota_of(app, counter)
    assert (found.used, found.reserved) == (5, 1)
    page = await app.call("quota.reservations", counter_id=counter)
    assert [(one.amount, one.held) for one in page.items] == [(2, 1)]
    settled = [event for event in await app.events() if event.type == "quota.settled"]
    assert [(one.version, one.data["amount"], one.data["used"]) for one in settled] == [(4, 5, 5)]


async def test_a_step_that_nobody_reserved_leaves_less_for_others(app: TestApp) -> None:
    counter = await counted(app)
    await app.call("quota.set_limit", counter_id=counter, allowed=10)
    for by in (3, 4):
        await app.call("counter.increment", counter_id=counter, by=by)
    assert (await quota_of(app, counter)).used == 7
    assert (await app.post(f"/v1/quotas/{counter}/reservations", json={"amount": 4})).code == "quota:exceeded"
    await app.call("counter.reset", counter_id=counter)
    assert (await quota_of(app, counter)).used == 0


async def test_what_happened_before_the_limit_is_not_counted_twice(app: TestApp) -> None:
    counter = await counted(app, 6)
    await app.call("quota.set_limit", counter_id=counter, allowed=10)
    await app.settled()
    found = await quota_of(app, counter)
    assert (found.used, found.version) == (6, 1)


async def test_a_counter_without_a_limit_moves_as_it_likes(app: TestApp) -> None:
    counter = await counted(app, 6)
    await app.call("counter.delete", counter_id=counter)
    await app.settled()
    assert {event.type.partition(".")[0] for event in await app.events()} == {"counter"}


async def test_a_new_name_is_no_step(app: TestApp) -> None:
    counter = await counted(app)
    await app.call("quota.set_limit", counter_id=counter, allowed=10)
    await app.call("counter.edit", counter_id=counter, name="guests")
    assert (await quota_of(app, counter)).version == 1


async def test_a_quota_ends_with_its_counter(app: TestApp) -> None:
    counter = await counted(app)
    await app.call("quota.set_limit", counter_id=counter, allowed=10)
    await app.call("quota.reserve", counter_id=counter, amount=4)
    await app.call("counter.delete", counter_id=counter)
    await app.settled()
    assert (await app.get(f"/v1/quotas/{counter}")).code == "quota:not_found"
    assert [event.type for event in await app.events()][-1] == "quota.dropped"


async def test_steps_are_taken_once_also_by_a_process_that_was_away(app: TestApp) -> None:
    counter = await counted(app)
    await app.call("quota.set_limit", counter_id=counter, allowed=100)
    for _ in range(5):
        await app.call("counter.increment", counter_id=counter, by=2)
    await app.restart()
    for _ in range(5):
        await app.call("counter.increment", counter_id=counter, by=2)
    found = await quota_of(app, counter)
    assert (found.used, found.version) == (20, 11)


async def test_a_transfer_is_a_step_of_both(app: TestApp) -> None:
    giver, taker = await counted(app, 8), (await app.call("counter.create", name="taker")).id
    for one in (giver, taker):
        await app.call("quota.set_limit", counter_id=one, allowed=10)
    await app.call("counter.transfer", counter_id=giver, to=taker, by=3)
    assert [(await quota_of(app, one)).used for one in (giver, taker)] == [5, 3]
