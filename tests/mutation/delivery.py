"""Defects of what runs on many machines: each must be found for its own reason, in simulated worlds or on a real PostgreSQL."""

from .mutants import Edit, Mutant

__all__ = ["DELIVERY"]

LEASE = "engine/lease.py"
RELAY = "engine/relay.py"
RELAY_CORE = "engine/relay_core.py"
ENVELOPE = "engine/envelope.py"
CONSUMER = "engine/consumer.py"
CONSUMED = "engine/consumed.py"
CONSUMER_CORE = "engine/consumer_core.py"
BATCH = "adapters/postgres/batch.py"

IN_ORDER = "tests/simulation/test_consumer.py::test_each_event_has_its_effect_once_and_each_stream_in_order"
ARRIVES = "tests/simulation/test_relay.py::test_everything_committed_reaches_a_broker_that_forgets"
TERMS = "tests/simulation/test_lease.py::test_no_write_of_an_older_term_follows_one_of_a_newer"

DELIVERY = (
    Mutant(
        "a lease without fencing",
        (
            Edit(
                LEASE,
                " where name = :name and holder = :holder and term = :term\n"
                "   and expires_at > cast(unixepoch('subsec') * 1000000 as integer)\n"
                '""",\n)\n\nLEASE_STATEMENTS',
                ' where name = :name or :holder = :term\n""",\n)\n\nLEASE_STATEMENTS',
            ),
        ),
        TERMS,
        "a write of an older term after one of a newer",
    ),
    Mutant(
        "the term is not checked",
        (
            Edit(
                LEASE,
                " where name = :name and holder = :holder and term = :term\n"
                "   and expires_at > cast(unixepoch('subsec') * 1000000 as integer)\n"
                '""",\n)\n\nLEASE_STATEMENTS',
                " where name = :name and :holder <> '' and term >= :term\n"
                "   and expires_at > cast(unixepoch('subsec') * 1000000 as integer)\n"
                '""",\n)\n\nLEASE_STATEMENTS',
            ),
        ),
        TERMS,
        "a write of an older term after one of a newer",
    ),
    Mutant(
        "numbering and locking are one statement",
        (
            Edit(
                "adapters/postgres/numbering.py",
                "begin isolation level read committed; select last from armature_head where one = 1 for update",
                "begin isolation level read committed",
            ),
        ),
        "tests/simulation/test_sequencer.py::test_positions_are_dense_and_final_whoever_is_killed",
        "a position was changed",
    ),
    Mutant(
        "acknowledged before the commit",
        (
            Edit(
                CONSUMER,
                "            async with self._held(subscription, delivery):\n",
                "            await subscription.ack([delivery])\n            async with self._held(subscription, delivery):\n",
            ),
        ),
        IN_ORDER,
        "an event never had its effect",
    ),
    Mutant(
        "the checkpoint is committed before what it says is applied",
        (
            Edit(
                "engine/projector.py",
                "await self._database.commit(unit([roll_forward(self.row, position, part), *added_up(writes)]))",
                "await self._database.commit(unit([roll_forward(self.row, position, part)]))\n"
                "            if isinstance(verdict, Committed):\n"
                "                await self._database.commit(unit(writes))",
            ),
        ),
        "tests/simulation/test_projector.py::test_each_event_is_folded_once",
        "were folded",
    ),
    Mutant(
        "the cursor passes what was not published",
        (
            Edit(
                RELAY_CORE,
                "            upto = offer.publish[acknowledged].position - 1",
                "            upto = offer.events[-1].position",
            ),
        ),
        ARRIVES,
        "never delivered",
    ),
    Mutant(
        "nothing is published again after the broker lost it",
        (Edit(RELAY_CORE, "        elif tail.last < self.cursor.broker_last:", "        elif tail.last < -1:"),),
        ARRIVES,
        "never delivered",
    ),
    Mutant(
        "a broker takes an event of the next epoch for one that it has",
        (Edit(ENVELOPE, '    return f"{message.event_id.hex}.{message.epoch}"', "    return message.event_id.hex"),),
        "tests/delivery/test_restored.py::test_what_a_restored_log_publishes_once_more_is_never_taken_for_a_loss",
        "assert 1 == 0",
    ),
    Mutant(
        "two restores of one backup are one epoch",
        (
            Edit(
                "engine/epochs.py",
                "    return max(epoch, time_ns() // 1_000) + 1 + randbelow(_CHANCE)",
                "    return epoch + 1",
            ),
        ),
        "tests/delivery/test_restored.py::test_two_restores_of_one_backup_beside_one_broker_are_told_apart",
        "assert 2 < 2",
    ),
    Mutant(
        "there is no inbox",
        (
            Edit(
                CONSUMED,
                "    writes: list[Bound] = [(TAKE, (consumer, message.event_id, now))]",
                "    writes: list[Bound] = []",
            ),
        ),
        IN_ORDER,
        "an event had its effect more than once",
    ),
    Mutant(
        "there is no gate of versions",
        (
            Edit(CONSUMER_CORE, "    if message.stream_version is None:", "    if True:"),
            Edit(CONSUMED, "    if message.stream_version is not None:", "    if False:"),
        ),
        IN_ORDER,
        "effects of a stream are out of order",
    ),
    Mutant(
        "a gap is skipped",
        (
            Edit(
                CONSUMER,
                "await self._apply(await self._missing(message, known) or message, known)",
                "await self._apply(message, known)",
            ),
        ),
        IN_ORDER,
        "an event never had its effect",
    ),
    Mutant(
        "the waiter looks before it subscribes",
        (
            Edit(
                "engine/waiting.py",
                "        listener = await self._listen(tenant, key)\n"
                "        try:\n            while True:\n                found = await look()\n",
                "        listener = None\n"
                "        try:\n            while True:\n                found = await look()\n"
                "                listener = listener or await self._listen(tenant, key)\n",
            ),
        ),
        "tests/simulation/test_signal.py::test_no_waiter_sleeps_through_a_signal",
        "the waiter slept through the signal",
    ),
    Mutant(
        "the cache is filled after the invalidation",
        (
            Edit(
                "adapters/memory/cache.py",
                "        if entry is None or entry.ticket != ticket:",
                "        if entry is None:",
            ),
        ),
        "tests/simulation/test_cache.py::test_nobody_reads_what_was_invalidated_before_he_asked",
        "was invalidated",
    ),
    Mutant(
        "the answers of a batch are off by one",
        (
            Edit(
                BATCH,
                "enumerate(zip(writing, told.lasts, strict=True))",
                "enumerate(zip(writing, [*told.lasts[1:], *told.lasts[:1]], strict=True))",
            ),
        ),
        "tests/conformance/test_postgres_batch.py::test_each_unit_of_a_batch_hears_its_own_outcome",
        "AssertionError: a unit was told another one's event",
    ),
    Mutant(
        "the answers of a batch in one statement are off by one",
        (
            Edit(
                "adapters/postgres/at_once.py",
                "zip(entries, lasts, strict=True)",
                "zip(entries, [*lasts[1:], *lasts[:1]], strict=True)",
            ),
        ),
        "tests/conformance/test_postgres_express.py::test_of_units_that_all_win_each_is_told_its_own_event",
        "AssertionError: a unit was told another one's event",
    ),
    Mutant(
        "who lost in a batch in one statement is told that it was committed",
        (Edit("adapters/postgres/at_once.py", "if n not in lost:", "if last is not None:"),),
        "tests/faults/test_postgres_at_once.py::test_who_lost_is_left_out_and_nobody_goes_the_long_way_for_it",
        "AssertionError: not those who lost were told so",
    ),
    Mutant(
        "who lost to its own twin is told that it has lost",
        (Edit("adapters/postgres/at_once.py", "elif n not in known:", "else:"),),
        "tests/faults/test_postgres_at_once.py::test_who_lost_to_its_own_twin_is_told_so",
        "AssertionError: not the repetition alone was told of its twin",
    ),
    Mutant(
        "a key that another unit took is taken for a refusal of the module's",
        (Edit("adapters/postgres/at_once.py", "if taken.constraint_name != KEYS:", "if taken.constraint_name:"),),
        "tests/conformance/test_postgres_express.py::test_a_key_that_is_not_free_is_a_twin_and_harms_no_neighbour",
        "AssertionError: a key that was taken told twice",
    ),
    Mutant(
        "one tenant's row is in another's answer",
        (
            Edit(
                "adapters/postgres/coalesced.py",
                "            answers[record[0] - 1].append(build(record))",
                "            answers[record[0] % len(questions)].append(build(record))",
            ),
        ),
        "tests/conformance/test_postgres_facts.py"
        "::test_of_many_tenants_in_one_round_trip_each_sees_its_own_rows_in_its_own_order",
        "AssertionError: a tenant reads another one's rows",
    ),
)
