"""What must always hold, and which tests would notice if it did not: docs/reference/invariants.md is made from this."""

import ast
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

__all__ = ["INVARIANTS", "Invariant", "invariants_page", "missing"]

ROOT = Path(__file__).parents[2]

_HEAD = """# Invariants

<!-- Made by `python -m tests.docs.pages`; a test compares it with tests/invariants/table.py. -->

What must hold whatever is killed, cut, filled or set back, and the tests that break it on purpose. Each of them asserts that its
fault happened. *Figures* are what `make test` runs for each change; `make soak` runs the same with larger ones, other seeds and
for as long as it is given.

| | what must hold | figures of a change |
|---|---|---|
"""


class Invariant(Struct, frozen=True):
    """One row. `proofs` are tests by node id; of a parametrised one all cases count."""

    code: str
    name: str
    statement: str
    figures: str
    proofs: tuple[str, ...]


INVARIANTS = (
    Invariant(
        "I1",
        "Atomic command",
        "The rows, the events and the kept answer of a command are all there, or none is.",
        "each crash point twice on SQLite; a cut at each message on PostgreSQL; a drill of 10 000 commands",
        (
            "tests/faults/test_crash_points.py::test_a_process_killed_there_loses_nothing_it_acknowledged",
            "tests/faults/test_kills.py::test_a_server_killed_there_again_and_again_keeps_its_word",
            "tests/faults/test_postgres_commit.py::test_a_connection_that_dies_at_any_message_of_a_batch_costs_nothing_and_doubles_nothing",
            "tests/faults/test_fleet_api.py::test_a_web_process_killed_over_a_command_answers_the_second_time_as_it_would_have_the_first",
            "tests/faults/test_fleet_postgres.py::test_a_database_killed_again_and_again_under_load_keeps_what_it_acknowledged",
            "tests/drill/test_drill.py::test_a_minute_of_killing_the_fleet_loses_nothing_and_doubles_nothing",
        ),
    ),
    Invariant(
        "I2",
        "No lost update",
        "A stream's versions are 1..n, and its row is the sum of the steps that were acknowledged.",
        "16 callers on two nodes, 1 600 steps; a drill of 10 000 commands",
        (
            "tests/invariants/test_steps.py::test_sixteen_callers_on_two_nodes_lose_no_step",
            "tests/faults/test_twin_processes.py::test_callers_of_two_processes_move_the_same_counters_and_one_of_them_dies",
            "tests/topologies/test_stories_commands.py::test_thirty_two_callers_of_one_counter_on_all_nodes_are_all_served",
            "tests/drill/test_drill.py::test_a_minute_of_killing_the_fleet_loses_nothing_and_doubles_nothing",
        ),
    ),
    Invariant(
        "I3",
        "Idempotent execution",
        "One key has one effect, and everybody who comes with it hears the same bytes.",
        "240 keys by 8 callers at once on two nodes, answers to commits lost; a drill of 10 000 keys",
        (
            "tests/invariants/test_steps.py::test_eight_with_one_key_have_one_effect_and_hear_the_same_bytes",
            "tests/faults/test_fleet_commit.py::test_an_outcome_nobody_knows_is_told_as_unknown",
            "tests/faults/test_postgres_reborn.py::test_a_number_that_was_given_again_after_a_crash_proves_nothing",
            "tests/faults/test_fleet_commit.py::test_where_the_server_can_be_asked_the_caller_is_told_what_happened",
            "tests/faults/test_rude_callers.py::test_whoever_hangs_up_and_asks_again_has_one_effect",
            "tests/faults/test_twin_processes.py::test_twins_in_two_processes_have_one_effect_and_one_answer",
            "tests/topologies/test_stories_commands.py::test_twins_on_two_nodes_have_one_effect_and_one_answer",
            "tests/neighbours/test_lost_answers.py::test_a_command_with_a_key_whose_answer_is_lost_is_done_once_and_answered",
            "tests/neighbours/test_processes.py::test_a_command_whose_process_is_killed_is_told_as_unknown_and_its_key_makes_it_one",
        ),
    ),
    Invariant(
        "I4",
        "Misused keys",
        "A missing key is 400, one used for something else 422; a twin waits or replays; no key is seen by another tenant.",
        "the whole matrix",
        ("tests/stories/test_key_matrix.py", "tests/engine/test_idempotency.py"),
    ),
    Invariant(
        "I5",
        "Complete delivery",
        "Every committed event gets a position and reaches every sink once the faults stop.",
        "2 000 schedules with kills in virtual time; a drill of 10 000 commands",
        (
            "tests/simulation/test_relay.py::test_everything_committed_reaches_a_broker_that_forgets",
            "tests/faults/test_fleet_relay.py::test_while_the_broker_is_away_callers_notice_nothing_and_then_everything_arrives_in_order",
            "tests/faults/test_fleet_backlog.py::test_beyond_what_may_wait_for_the_broker_only_commands_that_tell_events_are_refused",
            "tests/faults/test_fleet_relay.py::test_acks_that_are_lost_cost_a_second_publish_and_no_event",
            "tests/faults/test_fleet_nats.py::test_what_was_on_its_way_when_the_broker_was_killed_arrives_in_order",
            "tests/faults/test_fleet_redis.py::test_as_a_broker_killed_under_load_it_has_everything_once_and_in_order",
            "tests/drill/test_drill.py::test_a_minute_of_killing_the_fleet_loses_nothing_and_doubles_nothing",
        ),
    ),
    Invariant(
        "I6",
        "No phantom",
        "No event is delivered whose transaction was taken back.",
        "200 commands beside refused ones whose events were written already",
        ("tests/invariants/test_order.py::test_nothing_is_delivered_that_was_not_committed",),
    ),
    Invariant(
        "I7",
        "Dense, final positions",
        "Positions are 1..N, each given once and never changed.",
        "2 000 schedules in virtual time; 10 000 events by two sequencers; a cut at every step of numbering",
        (
            "tests/simulation/test_sequencer.py::test_positions_are_dense_and_final_whoever_is_killed",
            "tests/invariants/test_order.py::test_positions_follow_versions_and_causes_whoever_numbers",
            "tests/faults/test_fleet_sequencer.py::test_cut_at_every_step_of_numbering_each_event_has_one_position",
            "tests/delivery/test_numbering.py::test_two_sequencers_that_are_cut_number_every_event_once",
        ),
    ),
    Invariant(
        "I8",
        "Causal order",
        "Positions follow the versions of each stream, and an effect comes after its cause.",
        "10 000 events of writers that number early and commit late",
        (
            "tests/invariants/test_order.py::test_positions_follow_versions_and_causes_whoever_numbers",
            "tests/faults/test_fleet_sequencer.py::test_a_writer_who_takes_his_time_holds_nobody_up_and_comes_later",
            "tests/delivery/test_reactions.py::test_an_event_has_its_effect_and_the_effect_knows_its_cause",
        ),
    ),
    Invariant(
        "I9",
        "One effect for each event",
        "However often an event is delivered, a reaction's effect is there once.",
        "2 000 schedules in virtual time; lost acks and a member cut off on a real broker",
        (
            "tests/simulation/test_consumer.py::test_each_event_has_its_effect_once_and_each_stream_in_order",
            "tests/faults/test_fleet_consumer.py::test_acks_that_never_arrive_bring_the_event_again_and_not_its_effect",
            "tests/faults/test_fleet_consumer.py::test_an_event_in_the_hands_of_one_who_is_cut_off_is_done_by_another",
            "tests/delivery/test_reactions.py::test_a_second_delivery_changes_nothing",
            "tests/services/test_away.py::test_each_step_is_settled_once_though_both_services_are_killed_in_the_middle",
            "tests/services/test_replicas.py::test_two_replicas_on_a_server_take_each_event_of_another_servers_log_once",
        ),
    ),
    Invariant(
        "I10",
        "A broker that forgets",
        "What a broker has lost when it comes back older or empty is delivered again, and nobody is asked.",
        "2 000 schedules in virtual time; a store set back on NATS and on Redis",
        (
            "tests/simulation/test_relay.py::test_everything_committed_reaches_a_broker_that_forgets",
            "tests/faults/test_fleet_nats.py::test_a_broker_that_is_killed_and_comes_back_older_is_given_again_what_it_lost",
            "tests/faults/test_fleet_redis.py::test_as_a_broker_that_came_back_older_it_is_given_again_what_it_lost",
            "tests/delivery/test_reactions.py::test_a_broker_that_kept_nothing_over_a_restart_loses_nothing",
        ),
    ),
    Invariant(
        "I11",
        "A database that was set back",
        "Who has read further than the log goes stops with a named reason and is not ready; nothing is skipped.",
        "relay and consumer; a fleet that was saved under load and restored",
        (
            "tests/moving/test_restored_fleet.py::test_a_fleet_is_saved_under_load_and_restored_and_a_reactor_ahead_of_the_log_halts_by_name",
            "tests/invariants/test_bounds.py::test_readers_of_a_log_that_is_behind_them_halt_by_name",
            "tests/delivery/test_reactions.py::test_a_checkpoint_ahead_of_the_log_halts_by_name_and_for_good",
            "tests/services/test_restored.py::test_a_reaction_to_a_log_that_was_restored_to_an_older_state_halts_by_name",
        ),
    ),
    Invariant(
        "I12",
        "Read models are folds",
        "A fold of the log from empty is the live read model, byte for byte, also while writes go on.",
        "a rebuild beside writes and after kills; 2 000 commands on eight topologies",
        (
            "tests/projections/test_replay.py::test_a_fold_from_empty_is_the_live_read_model_also_while_writes_go_on",
            "tests/projections/test_kill.py::test_a_killed_replay_is_finished_by_the_next_process",
            "tests/projections/test_parking.py::test_parked_and_retried_is_as_if_never_parked",
            "tests/topologies/test_prove.py::test_two_thousand_commands_leave_the_same_on_every_topology",
        ),
    ),
    Invariant(
        "I13",
        "Checkpoints tell the truth",
        "A checkpoint moves with the rows it stands for, never back and never over a position.",
        "2 000 schedules in virtual time; cuts in commits; a hole in the log",
        (
            "tests/simulation/test_projector.py::test_each_event_is_folded_once",
            "tests/faults/test_live_projections.py::test_killed_between_fold_and_checkpoint_again_and_again_each_event_is_folded_once",
            "tests/faults/test_fleet_projector.py::test_cut_in_the_middle_of_commits_each_event_is_folded_once",
            "tests/faults/test_fleet_projector.py::test_one_that_is_cut_off_is_followed_by_the_other_and_changes_nothing_when_it_is_back",
            "tests/faults/test_fleet_projector.py::test_a_hole_in_the_log_halts_it_by_name_and_is_never_passed",
        ),
    ),
    Invariant(
        "I14",
        "Whole swaps",
        "A reader sees one generation of a read model, the old or the new, and never goes back.",
        "readers all the while a read model is replayed under load",
        (
            "tests/faults/test_live_projections.py::test_a_replay_under_load_is_never_seen_half_done",
            "tests/projections/test_replay.py::test_readers_never_see_two_generations_in_one_query_nor_go_back",
            "tests/projections/test_replay.py::test_a_query_keeps_the_generation_it_began_with",
        ),
    ),
    Invariant(
        "I31",
        "Graceful leaving",
        "Readiness goes first, nobody who was let in is let down, and the process ends by itself.",
        "16 callers of one process, over each edge; 12 of a whole fleet",
        (
            "tests/faults/test_fleet_leaves.py::test_a_whole_fleet_leaves_under_load_and_goes_on_where_it_was",
            "tests/faults/test_drain.py::test_readiness_goes_first_and_nobody_who_was_let_in_is_let_down",
            "tests/faults/test_drain.py::test_whoever_asks_twice_does_not_wait_for_the_drain",
            "tests/neighbours/test_processes.py::test_calls_in_hand_are_answered_when_their_process_is_told_to_leave",
            "tests/grpc_edge/test_leaving.py::test_a_process_that_is_asked_to_leave_under_load_loses_no_call",
            "tests/grpc_edge/test_leaving.py::test_what_was_taken_is_finished_and_nothing_new_is_taken",
            "tests/grpc_edge/test_leaving.py::test_streams_end_without_error",
            "tests/grpc_edge/test_beside.py::test_watchers_are_told_of_changes_and_let_go_at_the_end",
        ),
    ),
    Invariant(
        "I32",
        "Bounded resources",
        "Beyond the room there is, callers are refused with a word; memory, files, connections, threads and tasks are bounded.",
        "600 callers on room for 48; goodput at twice the capacity; 6 000 requests of callers who hang up or are killed",
        (
            "tests/faults/test_fleet_cancelled.py::test_a_caller_who_vanishes_over_a_long_read_ends_it_on_the_server",
            "tests/faults/test_fleet_cancelled.py::test_a_read_that_outlasts_its_deadline_ends_on_the_server",
            "tests/faults/test_fleet_bounded.py::test_rude_and_killed_callers_leave_nothing_behind_in_a_process",
            "tests/faults/test_fleet_bounded.py::test_callers_who_leave_at_any_moment_leave_no_task_behind",
            "tests/faults/test_fleet_backlog.py::test_beyond_what_may_wait_for_the_broker_only_commands_that_tell_events_are_refused",
            "tests/faults/test_fleet_outbound.py::test_a_frozen_host_is_left_alone_and_one_probe_at_a_time_finds_out_that_it_is_back",
            "tests/faults/test_fleet_snapshot.py::test_a_snapshot_held_for_long_slows_nobody_down_and_blocks_nothing",
            "tests/invariants/test_bounds.py::test_a_crowd_is_sent_away_with_a_word_and_costs_no_more_than_there_is_room_for",
            "tests/engine/test_overload.py::test_goodput_holds_at_twice_the_capacity",
            "tests/neighbours/test_way.py::test_of_ten_thousand_callers_at_once_so_many_run_so_many_wait_and_the_rest_is_refused",
            "tests/neighbours/test_way.py::test_retries_are_a_tenth_of_the_calls_and_a_reserve",
            "tests/neighbours/test_way.py::test_after_its_rest_a_neighbour_is_asked_by_one_probe_which_closes_the_breaker",
        ),
    ),
    Invariant(
        "I33",
        "Fail closed",
        "With its stores away a process lets nobody in who would not be let in otherwise.",
        "three operations, four callers, all stores",
        (
            "tests/invariants/test_bounds.py::test_with_every_store_away_nobody_is_let_in",
            "tests/live/test_shared_limit.py::test_while_the_store_is_away_each_process_counts_alone_and_says_so_once",
            "tests/neighbours/test_releases.py::test_permissions_are_looked_at_again_where_the_operation_lives",
            "tests/neighbours/test_releases.py::test_a_forged_message_is_refused_and_logged_and_nothing_is_done",
            "tests/neighbours/test_tls.py::test_a_good_certificate_of_somebody_who_is_not_admitted_is_refused",
        ),
    ),
    Invariant(
        "I34",
        "Clean refusals",
        "A refusal has a stable code, the same over REST and gRPC, and tells no trace, no SQL, no path and no secret.",
        "seven kinds of refusals, a table taken away among them; 2 500 requests of any bytes; 100 stories told on both edges",
        (
            "tests/grpc_edge/test_hygiene.py::test_every_refusal_has_one_code_on_both_edges_and_tells_nothing_of_the_inside",
            "tests/grpc_edge/test_fuzz.py::test_any_bytes_are_judged_and_the_next_call_is_answered",
            "tests/grpc_edge/test_parity.py::test_every_way_comes_to_the_same",
            "tests/grpc_edge/test_limits.py::test_a_bug_tells_nothing_of_itself_unless_it_may",
            "tests/edges/test_schemathesis.py::test_the_server_keeps_the_contract_whatever_is_sent",
        ),
    ),
)


def missing(proofs: tuple[str, ...]) -> Iterator[str]:
    """Yield the node ids that no file has."""
    for proof in proofs:
        path, _, name = proof.partition("::")
        file = ROOT / path
        if not file.is_file() or name not in ("", *_functions(file)):
            yield proof


def _functions(file: Path) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {one.name for one in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(one, kinds)}


def invariants_page() -> str:
    """Return the page."""
    rows = "".join(
        f"| [{one.code}](#{one.code.lower()}) | **{one.name}.** {one.statement} | {one.figures} |\n" for one in INVARIANTS
    )
    return _HEAD + rows + "".join(_one(invariant) for invariant in INVARIANTS)


def _one(invariant: Invariant) -> str:
    lines = [f"\n## {invariant.code}\n\n{invariant.name}: proven by\n"]
    for proof in invariant.proofs:
        path, _, name = proof.partition("::")
        said = name.removeprefix("test_").replace("_", " ") if name else "all of it"
        lines.append(f"- `{path}`: {said}")
    return "\n".join(lines) + "\n"
