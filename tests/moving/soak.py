"""The same course at the size that counts: `python -m tests.moving.soak [ROWS] [WRITES_PER_SECOND]`, 1 000 000 and 200 without.

Ends with one line of counts, also when it could not go on or was told to end. Exit code 1 when something was lost, doubled or
contradictory, when writers waited for too long, and when the course ended early.
"""

import signal
import sys
import tempfile
from pathlib import Path

from armature.testing.servers import LocalPostgres
from tests.moving.account import contradictions, doubled, lost, missing_rows, replayed, same, stale_lines
from tests.moving.installation import PAUSE_SECONDS_MAX, STAGES, Installation, Outcome, moves


def soak(rows: int = 1_000_000, rate: float = 200.0) -> int:
    """Hold one course and print its account; return the exit code."""
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="armature-moving-", ignore_cleanup_errors=True) as folder, LocalPostgres() as server:
        there = Installation(Path(folder), server.create_database("moved"))
        try:
            moves(there, rows=rows, rate=rate, stages=STAGES, say=lambda text: print(text, flush=True), outcome=outcome)
            faults = _faults(there, outcome)
        except (Exception, KeyboardInterrupt) as error:
            outcome.acknowledged = there.acknowledged()
            faults = [f"it ended early: {type(error).__name__} {error}"]
        finally:
            there.close()
    print(
        f"{outcome.rows} rows, {outcome.acknowledged} acknowledged at {rate:g}/s, {outcome.acknowledged_after} after the switch, "
        f"{len(outcome.served)} deaths, {outcome.promote_seconds:.0f} s, longest wait of a writer {outcome.longest_wait:.2f} s, "
        f"{len(faults)} faults"
    )
    for fault in faults[:20]:
        print(fault)
    return int(bool(faults))


def _faults(there: Installation, outcome: Outcome) -> list[str]:
    faults = [f"lost: {key}" for key in lost(there)] + [f"doubled: {key}" for key in doubled(there)]
    faults += missing_rows(there) + contradictions(there)
    faults += [f"{lines} lines of history differ"] if (lines := stale_lines(there)) else []
    faults += [f"answered otherwise: {line.key}" for line, answer in replayed(there, 50) if not same(line, answer)]
    faults += [f"no write after the death at {stage}" for stage in STAGES[:-2] if not outcome.served[stage]]
    if outcome.longest_wait > PAUSE_SECONDS_MAX:
        faults.append(f"a writer waited {outcome.longest_wait:.2f} s")
    return faults


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(soak(*[int(word) for word in sys.argv[1:]]))
