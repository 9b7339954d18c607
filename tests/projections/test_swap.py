"""What becomes live has gone as far as what it replaces: a reader is never sent back."""

from pathlib import Path

from armature.engine.policies import ProjectionPolicy
from tests.projections.lab import Lab


async def test_a_generation_becomes_live_when_it_is_as_far_as_the_live_one(tmp_path: Path) -> None:
    async with Lab(tmp_path, policy=ProjectionPolicy(batch_events=20, chunk_rows=20)) as lab:
        await lab.drain()
        await lab.walk(200)
        await lab.drain()
        await lab.requests.ask("replay", "probe.sums")
        await lab.sums.look()
        steps = 0
        while lab.sums.building is not None:
            # More is written all the while, and the live one follows it before the new one does.
            await lab.walk(5)
            await lab.sums.step()
            steps += 1
        old, new = await lab.rows("select position from armature_checkpoints where projection = 'probe.sums' order by generation")
        assert await lab.live(lab.sums) == 2
        assert new >= old, "what became live is behind what it replaces"
        assert steps > 10, "built in no time: the test proves nothing"
