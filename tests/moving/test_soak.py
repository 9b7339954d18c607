"""The long course ends with its line of counts, whatever becomes of it."""

import re
import signal
import subprocess
import sys

import pytest

from tests.moving.world import ROOT

pytestmark = pytest.mark.slow

COUNTS = re.compile(r"^(\d+) rows, (\d+) acknowledged at 50/s, 0 after the switch, (\d+) deaths, .* 1 faults$", re.MULTILINE)


def test_a_course_that_is_told_to_end_still_tells_what_it_counted() -> None:
    command = [sys.executable, "-m", "tests.moving.soak", "2000", "50"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            while "killed at promote.captured" not in (line := process.stdout.readline()):
                assert line, "it ended before anybody asked it to"
            acknowledged = int(line.split()[-2])
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 1, said
    told = COUNTS.search(said)
    assert told is not None and "it ended early: KeyboardInterrupt" in said, said
    rows, counted, deaths = map(int, told.groups())
    assert rows > 1_900 and counted >= acknowledged and deaths >= 1
