"""Who has run on a database and how far: a reaction that was removed is forgotten whole, and marks are held against the log."""

import json
from contextlib import closing
from pathlib import Path

import apsw
from click.testing import CliRunner

from armature.adapters.memory.bus import MemoryBus
from armature.cli.main import main
from armature.engine.consumers import Consumers
from armature.runtime.doctor_marks import examine_marks
from tests.delivery.shop import Shop, on_sqlite
from tests.delivery.test_reactions import outside


async def taken(shop: Shop) -> None:
    """Place two orders of which one is parked."""
    await shop.place("good", 3)
    await shop.place("bad", 666)

    async def both() -> bool:
        return await shop.used() == 3 and shop.consumer.parked == 1

    await shop.until(both, "the orders")


async def test_a_reaction_that_is_forgotten_leaves_nothing_and_begins_anew(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path, attempts_max=1) as shop:
        await taken(shop)
        assert list(shop.broker.groups) == ["quota.settle"]
        consumers = Consumers(shop.database)
        await shop.consumer.close()
        bus = MemoryBus(shop.broker)
        await consumers.forget("quota.settle", bus)
        await consumers.forget("quota.settle", bus)
        assert shop.broker.groups == {}
        assert (await consumers.marks()).consumers == {}
    async with on_sqlite(tmp_path) as shop:
        shop.reaction.healed = True

        async def again() -> bool:
            return await shop.used() == 3 + 3 + 666

        await shop.until(again, "both orders once more")


async def test_a_reaction_that_no_module_has_is_told_and_a_mark_ahead_of_the_log_is_an_error(tmp_path: Path) -> None:
    async with on_sqlite(tmp_path, attempts_max=1) as shop:
        await taken(shop)
        marks = await Consumers(shop.database).marks()
        assert [one.status for one in examine_marks(marks, {"quota.settle"})] == ["ok"]
        (warned, fine) = examine_marks(marks, {"other.reaction"})
        assert (warned.status, fine.status) == ("warning", "ok")
        assert "quota.settle has run here and no module has it any more" in warned.text
        assert "armature quarantined forget quota.settle" in warned.cure
        await outside(tmp_path, "update armature_consumers set position = 99")
        (wrong,) = examine_marks(await Consumers(shop.database).marks(), {"quota.settle"})
        assert wrong.status == "error"
        assert wrong.text.startswith("consumer quota.settle: its checkpoint 99 is ahead of the log, which ends at")
        assert wrong.cure.startswith("bring back the database")


def test_the_doctor_says_once_that_a_consumer_is_ahead_of_the_log_it_lives_beside(tmp_path: Path) -> None:
    run, where = CliRunner(), ["--data", str(tmp_path)]
    assert run.invoke(main, ["migrate", *where]).exit_code == 0
    columns, values = "(consumer, log, epoch, started, position)", "'quota.settle', log, epoch, 0, 99"
    with closing(apsw.Connection(str(tmp_path / "armature.db"))) as db:
        db.execute(f"insert into armature_consumers {columns} select {values} from armature_log")
    said = run.invoke(main, ["doctor", "--json", "--port", "0", *where])
    told = [one for one in json.loads(said.stdout) if "quota.settle" in one["text"]]
    assert [(one["about"], one["status"]) for one in told] == [("log", "error")]
