"""The runner behind `make check` (`--fast`) and `make test`: every step by name, its time, and how to run it alone.

All steps run, also after one has failed: who has three faults wants to hear of three. The last line is
`N passed, N failed`, summed over all runs of pytest; the exit code is 0 only when every step passed.

The gate asks every change the same question: property tests draw the same examples each time, and other ones in `make soak`.
A few tests that failed are run once more with nothing beside them. Those that pass then are told by name at the end, as unsteady:
the change is not to blame for them, and somebody has to find out who is.
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests import coverage

ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
CODE = ("src", "modules", "tests", "bench")
ARMATURE = "from armature.cli.main import main; main()"

# A run that takes longer hangs; what it was doing is then more useful than waiting.
FAST_SECONDS_MAX = 1_200
SLOW_SECONDS_MAX = 3_600

# More failures than these are no matter of a busy machine.
AGAIN_MAX = 3


class Outcome(NamedTuple):
    """How a step ended: why it failed (empty: it did not), and the tests it ran."""

    failure: str = ""
    passed: int = 0
    failed: int = 0
    unsteady: tuple[str, ...] = ()
    """The tests that failed first and passed alone."""


class Step(NamedTuple):
    """A step; `alone` is what a person types to run only this."""

    name: str
    alone: str
    run: Callable[[], Outcome]


def main(words: list[str] | None = None) -> int:
    """Run the steps and print the verdict."""
    parser = argparse.ArgumentParser(prog="python -m tests.run", description=__doc__)
    parser.add_argument("--fast", action="store_true", help="the gate before a commit: no slow tests, no coverage")
    fast: bool = parser.parse_args(words).fast
    with tempfile.TemporaryDirectory(prefix="armature-run-") as folder:
        return report([(step, *timed(step)) for step in steps(Path(folder), fast=fast)])


def steps(folder: Path, *, fast: bool) -> list[Step]:
    """Return the steps in their order: what is quickly said first."""
    found = [
        command("format", PYTHON, "-m", "ruff", "format", "--check", "--quiet", *CODE),
        command("lint", PYTHON, "-m", "ruff", "check", "--quiet", *CODE),
        command("types", PYTHON, "-m", "mypy", "--no-error-summary"),
        command("rules", PYTHON, "-c", ARMATURE, "check"),
    ]
    if fast:
        return [*found, tests("fast tests", "not slow", folder)]
    settings = coverage.configuration(folder, ROOT)
    measured = {"COVERAGE_PROCESS_START": str(settings)}
    return [
        *found,
        tests("fast tests", "not slow", folder, environ=measured),
        Step("coverage", "python -m tests.run", lambda: reached(folder)),
        tests("slow tests", "slow", folder, seconds_max=SLOW_SECONDS_MAX),
        Step("support", "python -m tests.docs.support", lambda: supported(folder)),
    ]


def command(name: str, *words: str) -> Step:
    """A step that is one command; its output is shown when it fails."""

    def run() -> Outcome:
        done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return Outcome() if done.returncode == 0 else Outcome(done.stdout.strip() or f"exit code {done.returncode}")

    return Step(name, typed(words), run)


def tests(
    name: str,
    marks: str,
    folder: Path,
    *,
    environ: Mapping[str, str] | None = None,
    seconds_max: int = FAST_SECONDS_MAX,
    root: Path = ROOT,
) -> Step:
    """A step that is a run of pytest over two processes; its output is shown as it comes."""
    result, second = folder / f"{name.replace(' ', '-')}.xml", folder / "again.xml"
    words = [PYTHON, "-m", "pytest", "-m", marks, "--hypothesis-profile=ci"]
    told = ["-p", "tests.told"] if root == ROOT else []
    unseen = [f"--junitxml={result}", *told, *(["-p", "tests.measured"] if environ else [])]

    def run() -> Outcome:
        code = watched([*words, "-n", "2", *unseen], {**os.environ, **(environ or {})}, seconds_max, root)
        first = failures(result)
        if code != 1 or not 0 < len(first) <= AGAIN_MAX:
            return counted(result, code)
        print(f"once more, alone: {', '.join(first)}", flush=True)
        second.unlink(missing_ok=True)
        again = ["--last-failed", "--last-failed-no-failures=none", f"--junitxml={second}"]
        code = watched([*words, *again], os.environ, seconds_max, root)
        corrected(result, second)
        return counted(result, code)._replace(unsteady=tuple(sorted(set(first) - set(failures(result)))))

    return Step(name, typed([*words, "-n", "2"]), run)


def failures(result: Path) -> list[str]:
    """Return the tests that failed, by class and name."""
    return [_named(case) for case in _cases(result) if _broke(case)]


def corrected(result: Path, second: Path) -> None:
    """Put what the second run saw of a test in the place of what the first one saw."""
    again = {_named(case): case for case in _cases(second)}
    tree = xml.parse(result)
    for suite in tree.getroot().iter("testsuite"):
        for place, case in enumerate(suite):
            suite[place] = again.get(_named(case), case)
        cases = list(suite.iter("testcase"))
        suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
        suite.set("errors", str(sum(case.find("failure") is None and case.find("error") is not None for case in cases)))
    tree.write(result)


def _cases(result: Path) -> list[xml.Element]:
    return list(xml.parse(result).getroot().iter("testcase")) if result.exists() else []


def _named(case: xml.Element) -> str:
    return f"{case.get('classname', '')}::{case.get('name', '')}"


def _broke(case: xml.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def watched(words: list[str], environ: Mapping[str, str], seconds_max: int, root: Path = ROOT) -> int:
    """Run a command with its children, and end them all when it takes too long."""
    with subprocess.Popen(words, cwd=root, env=environ, start_new_session=True) as process:
        try:
            return process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            print(f"ended after {seconds_max} s: it hangs", flush=True)
            os.killpg(process.pid, signal.SIGKILL)
            return -signal.SIGKILL
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def counted(result: Path, code: int) -> Outcome:
    """Read what pytest wrote. A run that broke, found no test or skipped one has failed."""
    if not result.exists():
        return Outcome(f"pytest ended with {code} and left no result", failed=1)
    suites = [suite.attrib for suite in xml.parse(result).getroot().iter("testsuite")]
    total, failures, errors, skipped = (
        sum(int(one[name]) for one in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    failed = failures + errors
    passed = max(0, total - failed - skipped)
    if total == 0:
        return Outcome("no tests were collected")
    if skipped:
        return Outcome(f"{skipped} tests were skipped; a test that cannot run here proves nothing here", passed, failed)
    if code != 0:
        return Outcome(f"{failed} tests failed" if failed else f"pytest ended with {code}", passed, failed)
    return Outcome("", passed, failed)


def reached(folder: Path) -> Outcome:
    """Print the reach of every layer; fail where a gate is missed."""
    try:
        found = list(coverage.reach(coverage.combine(folder, ROOT)))
    except RuntimeError as error:
        return Outcome(str(error))
    print(*found, sep="\n", flush=True)
    missed = [one.layer.name for one in found if not one.enough]
    return Outcome(f"too little is reached of: {', '.join(missed)}" if missed else "")


def supported(folder: Path) -> Outcome:
    """Compare what the page of adapters says with what was just seen: which law held for which adapter."""
    words = (PYTHON, "-m", "tests.docs.support", "--compare", *(str(found) for found in sorted(folder.glob("*-tests.xml"))))
    return command("support", *words).run()


def timed(step: Step) -> tuple[Outcome, float]:
    """Run a step and say how it went."""
    print(f"--- {step.name}", flush=True)
    began = time.perf_counter()
    outcome = step.run()
    seconds = time.perf_counter() - began
    if outcome.failure:
        print(outcome.failure)
    print(f"--- {step.name}: {'FAILED' if outcome.failure else 'ok'} after {seconds:.1f} s", flush=True)
    return outcome, seconds


def report(done: list[tuple[Step, Outcome, float]]) -> int:
    """Print all steps again, what failed and how to run that alone, and the sum."""
    print()
    for step, outcome, seconds in done:
        print(f"{'FAILED' if outcome.failure else 'ok':<7} {step.name:<12} {seconds:7.1f} s")
    for name in (name for _, outcome, _ in done for name in outcome.unsteady):
        print(f"UNSTEADY: failed first and passed alone: {name}")
    broken = [step for step, outcome, _ in done if outcome.failure]
    for step in broken:
        print(f"to run {step.name} alone: {step.alone}")
    print(
        f"{sum(outcome.passed for _, outcome, _ in done)} passed, {sum(outcome.failed for _, outcome, _ in done)} failed",
        flush=True,
    )
    return 1 if broken else 0


def typed(words: tuple[str, ...] | list[str]) -> str:
    """A command as a person would type it at the root."""
    python = Path(words[0])
    first = str(python.relative_to(ROOT)) if python.is_relative_to(ROOT) else words[0]
    return shlex.join([first, *words[1:]])


if __name__ == "__main__":
    sys.exit(main())
