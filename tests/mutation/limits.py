"""Defects of limits: what is bounded too much is thrown away, and what is not bounded fills up."""

from .mutants import Edit, Mutant

__all__ = ["LIMITS"]

SERVER = "edges/grpc/server.py"
FEED = "engine/remote_feed.py"
PENDING = "    pending = max(policy.calls_max, policy.calls_per_connection_max)"
BURST = "tests/grpc_edge/test_limits.py::"
LOOKS = "tests/neighbours/test_looks.py::"

LIMITS = (
    Mutant(
        "calls that may be open are hung up on before they are taken up",
        (Edit(SERVER, PENDING, "    pending = 1_000"),),
        BURST + "test_of_a_burst_below_the_cap_no_call_is_thrown_away",
        "{'CANCELLED': ",
    ),
    Mutant(
        "any number of calls may wait to be taken up",
        (Edit(SERVER, PENDING, "    pending = 2**31 - 1"),),
        BURST + "test_calls_beyond_what_may_wait_are_hung_up_on_and_the_next_one_is_answered",
        "assert (0",
    ),
    Mutant(
        "a look at another log brings all that there is",
        (Edit(FEED, "        if at and size > _LOOK_BYTES_MAX:", "        if False:"),),
        LOOKS + "test_large_events_come_in_several_looks_and_none_is_lost",
        "<= 1048576",
    ),
    Mutant(
        "what did not fit into a look is passed over",
        (Edit(FEED, "        position = carried[-1].position  # the next look brings the rest", "        pass"),),
        LOOKS + "test_large_events_come_in_several_looks_and_none_is_lost",
        "== [[1, 2, 3], [4, 5, 6], [7]]",
    ),
)
