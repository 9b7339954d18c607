"""What errands cause."""

from modules.errand.contract import ErrandPlaced
from modules.errand.repository import RAN

from armature import Context, Reaction, on


class Run(Reaction, name="errand.run", start="beginning"):
    """Notes each errand that was placed."""

    @on(ErrandPlaced)
    async def run(self, ctx: Context, event: ErrandPlaced) -> None:
        """Note that it ran."""
        ctx.work.plan(RAN, id=ctx.new_id(), errand_id=event.errand_id)
