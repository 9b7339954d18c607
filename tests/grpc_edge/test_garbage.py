"""A call over gRPC leaves nothing in circles for the garbage collector."""

from uuid import uuid4

from tests.garbage import left_behind
from tests.grpc_edge.conftest import Open


async def test_a_call_leaves_no_circles(site: Open) -> None:
    async with site() as here:
        made = await here.counters.Create(here.messages.CreateRequest(name="a"))

        async def calls() -> None:
            for _ in range(5):
                await here.counters.Get(here.messages.GetRequest(counter_id=made.id))
                await here.counters.Increment(
                    here.messages.IncrementRequest(counter_id=made.id, by=1), metadata=[("idempotency-key", str(uuid4()))]
                )

        await calls()
        with left_behind() as left:
            await calls()
        assert not left, f"10 calls left {dict(left)}"
