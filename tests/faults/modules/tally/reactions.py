"""What the tally does about counters."""

from modules.tally.repository import RAN

from armature import Context, Reaction, on
from modules.counter.contract import CounterChanged


class Count(Reaction, name="tally.count", start="beginning"):
    """Notes each change of a counter; a second note of one change would show."""

    @on(CounterChanged)
    async def changed(self, ctx: Context, event: CounterChanged) -> None:
        """Note it."""
        ctx.work.plan(RAN, id=ctx.new_id(), counter_id=event.counter_id, counted=event.version)
