"""A statement that is its own transaction loses its connection: before the server has it, behind it, or unnoticed by the server.

Every verdict is compared with what is in the log, as in `test_postgres_commit`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from armature.adapters.postgres import uncertain
from armature.conformance.database_world import World, event, key, run
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.ports.database import Committed, Conflict, Twin, Violated

from .postgres_cutter import Cutter
from .test_postgres_commit import EACH, Told, compare, filled, opened, total, transfer

pytestmark = pytest.mark.slow


async def save_each(world: World, told: Told, *, places: range, steps: bool = False) -> list[object]:
    """Change these accounts at the same moment; `steps`: by units of two statements, which do not go out at once."""

    async def one(n: int) -> object:
        identity = uuid4()
        more = (world.opened(f"b{n}"),) if steps else ()
        try:
            outcome: object = await world.commit(world.saved(f"a{n}", 5, expected=1), *more, events=[event(identity)])
        except (Unavailable, UnknownOutcome) as refusal:
            outcome = refusal
        told.note(identity, outcome)
        return outcome

    return await asyncio.gather(*(one(n) for n in places))


@pytest.mark.parametrize("cut", ["unsent", "half", "unanswered"])
def test_a_connection_that_dies_in_a_statement_that_is_its_own_transaction_leaves_true_answers(
    postgres_url: str, cut: str
) -> None:
    async def story() -> None:
        await filled(postgres_url, 20)
        told = Told()
        with Cutter(postgres_url) as wire:
            async with opened(wire.url) as world, opened(postgres_url) as other:
                await transfer(world, ("a0", "a1"), told)
                wire.whole = cut
                ours, _ = await asyncio.gather(
                    save_each(world, told, places=range(2, 12)), save_each(other, told, places=range(12, 20))
                )
                assert wire.cuts == 1, "nothing was cut: the test proves nothing"
        await compare(postgres_url, told)
        assert len(told.committed) == 19, "a connection that is lost once is made up for"
        connection = await asyncpg.connect(postgres_url)
        ids = {row[0] for row in await connection.fetch("select id from armature_outbox")}
        await connection.close()
        assert {outcome.last_id for outcome in ours if isinstance(outcome, Committed)} <= ids
        assert await total(postgres_url) == (18 * 5 + 2 * EACH, 20 + 2 + 18)

    run(story())


@asynccontextmanager
async def beside_another(url: str, accounts: int) -> AsyncIterator[tuple[Cutter, World, Told]]:
    """A process on a wire, and what its callers are told. Another process has changed a0 and a1; it itself changed the last two,
    so that it knows an event and goes out at once."""
    await filled(url, accounts)
    told = Told()
    with Cutter(url) as wire:
        async with opened(wire.url) as world, opened(url) as other:
            await transfer(other, ("a0", "a1"), told)
            await transfer(world, (f"a{accounts - 2}", f"a{accounts - 1}"), told)
            yield wire, world, told
    await compare(url, told)


def lost(outcomes: Sequence[object]) -> list[int]:
    return [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Conflict)]


async def test_who_lost_is_left_out_and_nobody_goes_the_long_way_for_it(postgres_url: str) -> None:
    async with beside_another(postgres_url, 14) as (wire, world, told):
        holder = await asyncpg.connect(postgres_url)
        async with holder.transaction():
            await holder.fetch("select 1 from law_accounts where id = 'a4' for update")
            wire.at = 0
            outcomes = await save_each(world, told, places=range(12))
        await holder.close()
        assert wire.cuts == 0, "a transaction was begun for those who lost"
        assert lost(outcomes) == [0, 1, 4], "not those who lost were told so"
        assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 9
    assert await total(postgres_url) == (9 * 5 + 5 * EACH, 14 + 4 + 9)


@pytest.mark.parametrize("taken", [False, True], ids=["all free", "one taken"])
async def test_new_rows_go_out_at_once_unless_a_name_is_taken(postgres_url: str, taken: bool) -> None:
    async with beside_another(postgres_url, 4) as (wire, world, told):
        wire.at = None if taken else 0
        made = {f"b{n}": uuid4() for n in range(8)} | {"a0" if taken else "b8": uuid4()}
        outcomes = await asyncio.gather(
            *(world.commit(world.opened(name, 5), events=[event(one)], key=key(one.bytes)) for name, one in made.items())
        )
        for one, outcome in zip(made.values(), outcomes, strict=True):
            told.note(one, outcome)
        assert wire.cuts == 0, "a transaction was begun for new rows"
    assert [type(outcome) for outcome in outcomes] == [Committed] * 8 + [Violated if taken else Committed]
    rows = 8 + (not taken)
    assert await total(postgres_url) == (4 * EACH + 5 * rows, 4 + 4 + rows)


async def test_where_all_have_lost_nothing_is_written(postgres_url: str) -> None:
    async with beside_another(postgres_url, 4) as (wire, world, told):
        wire.at = 0
        assert lost(await save_each(world, told, places=range(2))) == [0, 1]
        assert wire.cuts == 0, "a transaction was begun for those who lost"
    assert await total(postgres_url) == (4 * EACH, 4 + 4)


async def test_who_lost_to_its_own_twin_is_told_so(postgres_url: str) -> None:
    """The first commit of a key, by another process, changed the row that its repetition decided on."""
    await filled(postgres_url, 7)
    async with opened(postgres_url) as world, opened(postgres_url) as other:
        assert isinstance(await world.commit(world.saved("a6", 5, expected=1), events=[event()]), Committed)
        first = await other.commit(other.saved("a3", 5, expected=1), events=[event()], key=key(b"3"))
        assert isinstance(first, Committed)
        outcomes = await asyncio.gather(
            *(world.commit(world.saved(f"a{n}", 5, expected=1), events=[event()], key=key(b"%d" % n)) for n in range(6))
        )
        twins = [n for n, outcome in enumerate(outcomes) if outcome == Twin()]
        assert twins == [3], "not the repetition alone was told of its twin"
        assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 5
        assert len(await world.events()) == 7
    assert await total(postgres_url) == (7 * 5, 7 + 7)


@pytest.mark.parametrize("cut", ["unsent", "half", "unanswered"])
async def test_who_lost_is_judged_alone_where_the_answer_is_gone(postgres_url: str, cut: str) -> None:
    async with beside_another(postgres_url, 14) as (wire, world, told):
        wire.whole = cut
        outcomes = await save_each(world, told, places=range(12))
        assert wire.cuts == 1, "nothing was cut: the test proves nothing"
        assert lost(outcomes) == [0, 1], "not those who lost were told so"
        assert sum(isinstance(outcome, Committed) for outcome in outcomes) == 10
    assert await total(postgres_url) == (10 * 5 + 4 * EACH, 14 + 4 + 10)


@pytest.mark.parametrize("steps", [True, False], ids=["step by step", "at once"])
@pytest.mark.parametrize("cut", ["unsent", "unanswered"])
def test_where_nobody_can_be_asked_the_outcome_is_called_unknown_and_never_tried_again(
    postgres_url: str, cut: str, monkeypatch: pytest.MonkeyPatch, steps: bool
) -> None:
    monkeypatch.setattr(uncertain, "_PATIENCE_SECONDS", 0.2)

    async def story() -> None:
        await filled(postgres_url, 10)
        told = Told()
        with Cutter(postgres_url) as wire:
            async with opened(wire.url) as world:
                await transfer(world, ("a0", "a1"), told)
                wire.shut = True
                wire.commit, wire.whole = (cut, "") if steps else ("", cut)
                await save_each(world, told, places=range(2, 9), steps=steps)
                assert wire.cuts == 1, "nothing was cut: the test proves nothing"
        assert len(told.unknown) == 7
        await compare(postgres_url, told)

    run(story())
