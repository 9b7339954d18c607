"""Keys and inbox rows are forgotten when they are due, not before, however many there are."""

from pathlib import Path

from armature.engine.policies import RetentionPolicy
from armature.engine.retention import Retention
from tests.projections.lab import Lab


async def test_expired_keys_go_and_valid_ones_stay(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        now = round(lab.clock().timestamp() * 1e6)
        await lab.db.script(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1700) "
            "insert into armature_keys (tenant_id, scope, fingerprint, outcome, refused, expires_at) "
            f"select 't', cast(i as blob), x'', x'', 0, {now} + (i - 1600) * 1000000 from n"
        )
        await Retention(lab.db, RetentionPolicy(), lab.clock).run()
        assert await lab.rows("select count(*), min(expires_at) from armature_keys") == [(100, now + 1_000_000)]


async def test_the_inbox_is_kept_for_as_many_days_as_the_policy_says(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        now = round(lab.clock().timestamp() * 1e6)
        day = 86_400_000_000
        for age in (1, 4, 6, 20):
            await lab.db.script(f"insert into armature_inbox values ('c', x'{age:02x}', {now - age * day})")
        await Retention(lab.db, RetentionPolicy(inbox_days=14), lab.clock).run()
        assert await lab.rows("select count(*) from armature_inbox") == [(3,)]
        await Retention(lab.db, RetentionPolicy(inbox_days=5), lab.clock).run()
        assert await lab.rows("select count(*) from armature_inbox") == [(2,)]


async def test_requests_that_ended_long_ago_go_and_open_ones_stay(tmp_path: Path) -> None:
    async with Lab(tmp_path) as lab:
        ended = await lab.requests.ask("replay", "probe.lines")
        await lab.requests.end(ended, "withdrawn", "")
        waiting = await lab.requests.ask("replay", "probe.lines")
        lab.clock.forward(days=15)  # type: ignore[attr-defined]
        young = await lab.requests.ask("replay", "probe.sums")
        await lab.requests.end(young, "withdrawn", "")
        await Retention(lab.db, RetentionPolicy(), lab.clock).run()
        assert await lab.rows("select id from armature_requests order by id") == [(waiting,), (young,)]
