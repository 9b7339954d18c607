"""A topology of several processes on one machine: ports, restarts, lines, and an end in order."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from armature.runtime.children import Child, Restarts, children_of
from armature.runtime.supervisor import PATIENT, REFUSED, Show, Supervisor
from tests.edges.wire import until
from tests.model.project import loaded, project

TWO = "processes: {web: {roles: [http], replicas: 2}, worker: {roles: [projector]}, sweep: {roles: [sweeper]}}"

WAITS = (
    "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); print('up', flush=True); "
    "signal.sigwait([signal.SIGTERM]); print('bye', flush=True)"
)
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
FALLS = "print('down', flush=True); raise SystemExit(3)"
PATIENTLY = f"raise SystemExit({PATIENT})"
REFUSES = f"print('a line'); print('armature run: the place: wrong; the cure'); raise SystemExit({REFUSED})"
STUMBLES = WAITS + "; raise SystemExit(3)"
TIED = "import sys; from armature.runtime.tether import tie; tie(int(sys.argv[1]), 1.0); " + WAITS


def test_ports_count_up_and_who_takes_requests_starts_last(tmp_path: Path) -> None:
    children = children_of(loaded(project(tmp_path, single=TWO), port="8000"))
    assert [(child.name, child.port, child.flag) for child in children] == [
        ("worker", 8100, "--health-port"),
        ("sweep", 8101, "--health-port"),
        ("web.1", 8000, "--port"),
        ("web.2", 8001, "--port"),
    ]


def test_port_zero_gives_each_child_a_free_one(tmp_path: Path) -> None:
    ports = iter((50_001, 50_002, 50_003, 50_004))
    children = children_of(loaded(project(tmp_path, single=TWO), port="0"), lambda: next(ports))
    assert sorted(child.port for child in children) == [50_001, 50_002, 50_003, 50_004]


def test_a_child_that_falls_starts_later_each_time_until_it_is_given_up() -> None:
    restarts = Restarts(lambda: 0.5)
    assert [restarts.after(0.0) for _ in range(7)] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, None]


def test_a_child_that_lived_long_begins_anew() -> None:
    restarts = Restarts(lambda: 0.5)
    for _ in range(6):
        restarts.after(0.0)
    assert restarts.after(61.0) == 0.25


def test_a_child_that_waits_for_a_server_is_never_given_up() -> None:
    restarts = Restarts(lambda: 0.5)
    assert [restarts.after(0.0, patient=True) for _ in range(50)][-1] == 15.0


class Stage:
    """A supervisor over tiny programs; what it says is kept."""

    def __init__(
        self, programs: dict[str, str], *, grace: float = 20.0, starting: Callable[[str], None] = lambda name: None
    ) -> None:
        self.said: list[tuple[str, str]] = []
        children = [Child(name, name, 1, name.startswith("web")) for name in programs]
        show = Show(
            lambda child, line: self.said.append((child.name, line.decode())),
            lambda child, text: self.said.append((child.name, text)),
            lambda seconds: None,
        )

        def command(child: Child, end: int) -> list[str]:
            starting(child.name)
            return [sys.executable, "-c", programs[child.name], str(end)]

        self.supervisor = Supervisor(children, command, show, grace_seconds=grace)

    def heard(self, name: str, text: str) -> bool:
        return any(who == name and text in said for who, said in self.said)

    async def through(self, act: Callable[[], None], ready: Callable[[], bool]) -> int:
        task = asyncio.create_task(self.supervisor.run())
        try:
            await until(ready)
            act()
            return await task
        finally:
            task.cancel()


def tell(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.slow
async def test_who_takes_requests_leaves_before_those_that_work_behind_it() -> None:
    stage = Stage({"worker": WAITS, "web.1": WAITS})
    code = await stage.through(tell(signal.SIGTERM), lambda: stage.heard("web.1", "up") and stage.heard("worker", "up"))
    assert code == 0
    assert [who for who, said in stage.said if said == "bye"] == ["web.1", "worker"]


@pytest.mark.slow
async def test_a_child_that_was_killed_starts_again() -> None:
    stage = Stage({"worker": WAITS})

    def fell() -> bool:
        if stage.said == [("worker", "up")]:
            os.kill(stage.supervisor.pids()["worker"], signal.SIGKILL)
            stage.said.append(("worker", "shot"))
        return sum(said == "up" for _, said in stage.said) == 2

    assert await stage.through(tell(signal.SIGINT), fell) == 0
    assert stage.heard("worker", "ended with SIGKILL; it starts again")


@pytest.mark.slow
async def test_a_child_that_is_given_up_ends_all_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("armature.runtime.children._DELAY_SECONDS_MIN", 0.001)
    stage = Stage({"worker": FALLS, "web.1": WAITS})
    assert await stage.through(lambda: None, lambda: stage.heard("worker", "it is given up")) == 1
    assert stage.heard("web.1", "bye")


@pytest.mark.slow
async def test_a_child_that_cannot_begin_is_not_started_again_and_its_words_are_the_last() -> None:
    stage = Stage({"worker": REFUSES, "web.1": WAITS})
    async with asyncio.timeout(60.0):
        assert await stage.supervisor.run() == REFUSED
    words = ("worker", "armature run: the place: wrong; the cure")
    assert stage.said.count(words) == 2, "once when it was said, and once at the end"
    assert stage.said[-1] == words
    assert stage.heard("worker", "cannot begin")
    assert not stage.heard("worker", "starts again")
    assert not stage.heard("web.1", "is killed")


@pytest.mark.slow
async def test_a_child_that_ran_before_is_started_again_when_it_is_refused(tmp_path: Path) -> None:
    been = str(tmp_path / "been")
    later = (
        f"from pathlib import Path; been = Path({been!r}); code = 2 if been.exists() else 3; been.touch(); raise SystemExit(code)"
    )
    stage = Stage({"worker": later})
    assert (
        await stage.through(tell(signal.SIGTERM), lambda: stage.heard("worker", "ended with exit code 2; it starts again")) == 0
    )


@pytest.mark.slow
async def test_a_child_that_fails_on_its_way_out_is_told_of() -> None:
    stage = Stage({"worker": STUMBLES, "web.1": WAITS})
    up = tell(signal.SIGTERM)
    assert await stage.through(up, lambda: stage.heard("web.1", "up") and stage.heard("worker", "up")) == 1
    assert stage.heard("worker", "left with exit code 3")
    assert not stage.heard("web.1", "left with")


@pytest.mark.slow
async def test_a_child_that_does_not_leave_is_killed_after_the_grace() -> None:
    stage = Stage({"worker": DEAF}, grace=0.2)
    assert await stage.through(tell(signal.SIGTERM), lambda: stage.heard("worker", "up")) == 1
    assert stage.heard("worker", "is killed")


@pytest.mark.slow
async def test_a_child_that_is_being_started_while_all_are_told_to_leave_leaves_too() -> None:
    # The loop hears of the signal when the process is on its way.
    stage = Stage({"worker": WAITS, "web": WAITS}, starting=lambda name: tell(signal.SIGTERM)() if name == "web" else None)
    async with asyncio.timeout(15.0):
        assert await stage.supervisor.run() == 0


@pytest.mark.slow
async def test_a_second_signal_ends_everybody_at_once() -> None:
    stage = Stage({"worker": DEAF, "web.1": DEAF}, grace=600.0)

    def twice() -> None:
        loop = asyncio.get_running_loop()
        tell(signal.SIGINT)()
        loop.call_later(0.2, tell(signal.SIGINT))

    assert await stage.through(twice, lambda: stage.heard("web.1", "up") and stage.heard("worker", "up")) == 1


@pytest.mark.slow
async def test_children_do_not_outlive_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "boss.py"
    program.write_text(
        "import asyncio, sys\n"
        "from armature.runtime.children import Child\n"
        "from armature.runtime.supervisor import Show, Supervisor\n"
        f"child = [sys.executable, '-c', {TIED!r}]\n"
        "show = Show(lambda c, line: print(pid(), flush=True), lambda c, t: None, lambda s: None)\n"
        "boss = Supervisor([Child('worker', 'worker', 1, False)], lambda c, end: [*child, str(end)], show, grace_seconds=5)\n"
        "pid = lambda: boss.pids()['worker']\n"
        "asyncio.run(boss.run())\n"
    )
    boss = await asyncio.create_subprocess_exec(sys.executable, str(program), stdout=asyncio.subprocess.PIPE)
    assert boss.stdout is not None
    worker = int(await boss.stdout.readline())
    boss.kill()
    await boss.wait()
    await until(lambda: not alive(worker))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
