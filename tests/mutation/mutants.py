"""The defects: which words of which file become which others, which test must see it, and what that test then says."""

from msgspec import Struct

__all__ = ["MUTANTS", "Edit", "Mutant"]

UNITS = "tests/conformance/test_sqlite_database.py::TestSqliteDatabase::"
APPLY = "adapters/sqlite/apply.py"
TRANSACTIONS = "adapters/sqlite/transactions.py"
WRITER = "adapters/sqlite/writer.py"
DEADLINES = "engine/deadlines.py"
PIPELINE = "engine/pipeline.py"
KEYS = "engine/idempotency.py"


class Edit(Struct, frozen=True):
    """Words of a file under `src/armature`, which must stand there exactly once, and what takes their place."""

    file: str
    old: str
    new: str


class Mutant(Struct, frozen=True):
    """One defect. `words` stand in the failing line or the error of the red test, so that it is red for this and nothing else."""

    name: str
    edits: tuple[Edit, ...]
    test: str
    words: str


MUTANTS = (
    Mutant(
        "rows=1 is ignored",
        (Edit(APPLY, "elif changes() != plan.rows:", "elif False:"),),
        UNITS + "test_of_many_who_decided_on_one_version_one_wins",
        "assert sum(isinstance(v, Committed) for v in verdicts) == 1",
    ),
    Mutant(
        "of many rows that are inserted at once nobody counts those that were",
        (Edit("adapters/sqlite/plan.py", "    many.rows = ROWS\n", "    many.rows = None\n"),),
        UNITS + "test_a_row_among_many_that_is_there_already_is_a_conflict",
        "assert verdict == Conflict(OPEN_ONCE",
    ),
    Mutant(
        "the key row is committed apart from the change",
        (
            Edit(APPLY, 'self.cursor.execute("savepoint unit")', 'self.saved = True; self.cursor.execute("savepoint unit")'),
            Edit(APPLY, 'self.cursor.execute("release unit")', 'self.saved = False; self.cursor.execute("release unit")'),
            Edit(
                APPLY,
                "                self._keep(unit.key, last)",
                "                if not getattr(self, 'saved', False):\n"
                "                    self.db.execute('commit; begin immediate')\n"
                "                self._keep(unit.key, last)",
            ),
        ),
        "tests/faults/test_crash_points.py::test_a_process_killed_there_loses_nothing_it_acknowledged[commit.written]",
        "AssertionError: a change is there without its key",
    ),
    Mutant(
        "a key does not know its tenant",
        (
            Edit(KEYS, 'words = f"{tenant}\\0', 'words = f"'),
            Edit(KEYS, "return Claim(tenant,", 'return Claim("everybody",'),
        ),
        "tests/engine/test_idempotency.py::test_a_key_belongs_to_its_tenant_and_its_actor[tenant]",
        "assert (201, 422) == (201, 201)",
    ),
    Mutant(
        "a twin is not answered as the first call was",
        (
            Edit(
                PIPELINE,
                "            if stored is not None:\n                return self._replay(stored)\n            raise Unavailable",
                "            if stored is not None:\n                return answer\n            raise Unavailable",
            ),
        ),
        "tests/engine/test_idempotency.py::test_the_loser_of_two_processes_drops_its_work_and_answers_as_the_winner_did",
        "assert same(loser, winner)",
    ),
    Mutant(
        "acknowledged before it is on the disk",
        (Edit(WRITER, 'crashpoint("commit.written")', "batch.answer(); await asyncio.sleep(0.002)"),),
        "tests/faults/test_power_cut.py::test_no_power_cut_takes_what_was_acknowledged",
        "[set()] * CUTS",
    ),
    Mutant(
        "one unit's failure commits half a batch",
        (
            Edit(
                TRANSACTIONS,
                "batch.dirty, batch.careful = False, True\n        self.rollback()",
                "batch.dirty, batch.careful = False, True\n        self.commit()",
            ),
        ),
        UNITS + "test_units_that_fail_after_writing_do_not_poison_their_batch",
        "assert [type(v) for v in verdicts] == [kinds.get(n % 5, Committed)",
    ),
    Mutant(
        "a failed unit poisons its batch",
        (
            Edit(
                TRANSACTIONS,
                "batch.entries[index] = (waiting, unit, self._judge(unit, True))",
                "batch.entries[index] = (waiting, unit, batch.entries[-1][2])",
            ),
        ),
        UNITS + "test_units_that_fail_after_writing_do_not_poison_their_batch",
        "assert [type(v) for v in verdicts] == [kinds.get(n % 5, Committed)",
    ),
    Mutant(
        "a wake-up of the committer is lost",
        (
            Edit(
                WRITER,
                "                self._bell = self._loop.create_future()",
                "                await asyncio.sleep(0)\n                self._bell = self._loop.create_future()",
            ),
            Edit("conformance/database_world.py", "LONG_SECONDS = 60.0", "LONG_SECONDS = 3.0"),
        ),
        UNITS + "test_no_wake_up_is_lost_however_callers_arrive",
        "TimeoutError",
    ),
    Mutant(
        "the checkpoint is committed before what it stands for",
        (
            Edit("engine/projector.py", '        crashpoint("projector.applied")\n', ""),
            Edit(
                "engine/projector.py",
                "await self._database.commit(unit([roll_forward(self.row, position, part), *added_up(writes)]))",
                "await self._database.commit(unit([roll_forward(self.row, position, part)]))\n"
                '            crashpoint("projector.applied")\n'
                "            verdict = await self._database.commit(unit(writes))",
            ),
        ),
        "tests/projections/test_kill.py::test_a_killed_projector_has_applied_what_its_checkpoint_says[projector.applied:1]",
        "await applied_is_what_the_checkpoint_says(lab)",
    ),
    Mutant(
        "a swap takes two commits",
        (
            Edit(
                "engine/generations.py",
                "        verdict = await self._database.commit(unit(writes, [_bound(NOT_BEHIND, known)]))",
                "        await self._database.commit(unit(writes[:2], [_bound(NOT_BEHIND, known)]))\n"
                '        crashpoint("replay.swapped")\n'
                "        verdict = await self._database.commit(unit(writes[2:]))",
            ),
            Edit(
                "engine/generations.py",
                "from armature.kernel.",
                "from armature.engine.crash import crashpoint\nfrom armature.kernel.",
            ),
        ),
        "tests/projections/test_kill.py::test_a_killed_replay_is_finished_by_the_next_process[replay.swapped:1]",
        "assert live == [(1,)]",
    ),
    Mutant(
        "a replay skips the live tail",
        (
            Edit(
                "engine/projections.py",
                "(Outcome.IDLE, Outcome.MOVED) and projector.caught_up:",
                "(Outcome.IDLE, Outcome.MOVED):",
            ),
            Edit("engine/generations.py", "unit(writes, [_bound(NOT_BEHIND, known)])", "unit(writes)"),
        ),
        "tests/projections/test_swap.py::test_a_generation_becomes_live_when_it_is_as_far_as_the_live_one",
        "AssertionError: what became live is behind what it replaces",
    ),
    Mutant(
        "a guard is not looked at",
        (Edit(APPLY, "if not self.cursor.execute(plan.sql, plan.encode(values)).fetchall():", "if False:"),),
        "tests/engine/test_pipeline.py::test_a_guard_that_finds_nothing_at_commit_makes_the_command_decide_again",
        "rack:no_item",
    ),
    Mutant(
        "a re-run does not hold the lock",
        (
            Edit(
                "adapters/sqlite/database.py",
                "return await self._opened(self._writer).turn(rows, decide, owner)",
                "return await self.commit(await decide(self.read))",
            ),
        ),
        "tests/engine/test_pipeline.py::test_sixty_four_callers_of_one_row_all_succeed_in_two_runs_each_at_most",
        "assert [a.status for a in answers] == [200] * 64",
    ),
    Mutant(
        "a twin's answer is not looked up before a refusal",
        (Edit(PIPELINE, "twin = await self._twin(claim, call, failure)", "twin = None"),),
        "tests/engine/test_idempotency.py::test_a_twins_answer_wins_over_a_refusal",
        "assert 404 == 204",
    ),
    Mutant(
        "autoincrement is gone",
        (
            Edit(
                "engine/schema/0001_foundation.sqlite.sql",
                "id             integer primary key autoincrement",
                "id             integer primary key",
            ),
        ),
        UNITS + "test_ids_grow_with_the_commits_and_never_come_back",
        "assert seen == sorted(set(seen))",
    ),
    Mutant(
        "a call is ended though the database has its unit in hand",
        (Edit(DEADLINES, '(call.in_hand and call.phase == "commit") or (now', "(now"),),
        "tests/engine/test_deadlines.py::test_what_the_database_has_in_hand_waits_for_its_verdict_however_late",
        "['DeadlineExceeded', 'DeadlineExceeded']",
    ),
    Mutant(
        "a final refusal is told though a twin kept another answer",
        (
            Edit(
                PIPELINE,
                "return await self._parts.keys.stored(claim, call) if isinstance(verdict, Twin) else None",
                "return None",
            ),
        ),
        "tests/engine/test_idempotency.py::test_a_twin_that_is_faster_than_a_final_refusal_is_what_both_are_told",
        "The rack is closed for season 1.",
    ),
    Mutant(
        "a unit touches more rows than a commit may",
        (Edit(APPLY, "if unit.rows_max is not None and touched > unit.rows_max:", "if False:"),),
        "tests/engine/test_work.py::test_a_statement_that_touches_more_rows_than_a_commit_may_is_undone_and_refused",
        "expected a refusal, got 200",
    ),
    Mutant(
        "a turn commits though its caller was sent away",
        (Edit("adapters/sqlite/turn.py", "    if turn.done.done():", "    if False:"),),
        UNITS + "test_a_turn_whose_caller_was_sent_away_ends_at_once_and_without_effect",
        'assert await world.find("a") == Account("a", 2, 3)',
    ),
)
