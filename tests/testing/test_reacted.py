"""Who waits for reactions waits for each event that one wants, and for nothing else."""

from pathlib import Path

import pytest

from armature.testing import TestApp
from armature.testing import reacted as waiting
from armature.testing.reacted import reacted, unreacted

ROOT = Path(__file__).parents[2]
FORGET = "delete from armature_inbox; delete from armature_consumed"
PARK = """
insert into armature_dead_letters (consumer, tenant_id, stream, position, waiting, event_id, type, attempts, reason, parked_at)
select 'quota.settle', tenant_id, stream, id, id, event_id, type, 1, 'it cannot be taken', 0 from armature_outbox where id = 2
"""


async def test_an_event_that_nobody_took_is_waited_for_until_its_stream_is_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with TestApp(ROOT) as app:
        core = app.system.core
        made = await app.call("counter.create", name="visits")
        await app.call("counter.increment", counter_id=made.id)
        await app.settled()
        assert await unreacted(core) == []
        await core.database.script(FORGET)
        assert await unreacted(core) == await unreacted(core, "public") == ["quota.settle"]
        assert await unreacted(core, "acme") == []
        monkeypatch.setattr(waiting, "_SECONDS_MAX", 0.0)
        with pytest.raises(TimeoutError, match=r"quota\.settle did not take all events"):
            await reacted(core)
        await core.database.script(PARK)
        assert await unreacted(core) == []


async def test_an_event_that_no_reaction_wants_is_not_waited_for() -> None:
    async with TestApp(ROOT) as app:
        await app.call("counter.create", name="visits")
        await app.system.core.database.script(FORGET)
        await reacted(app.system.core)
