"""A statement that is its own transaction loses its connection: before the server has it, behind it, or unnoticed by the server.

Every verdict is compared with what is in the log, as in `test_postgres_commit`.
"""

import asyncio
from uuid import uuid4

import asyncpg
import pytest

from armature.adapters.postgres import uncertain
from armature.conformance.database_world import World, event, run
from armature.kernel.refusals import Unavailable, UnknownOutcome
from armature.ports.database import Committed

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
