"""Full disks, frozen processes and rolled-back stores on real servers: each fault happens, is seen, and passes."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from armature.testing.faults import FileSizeLimit, LoseAnswers, NoSmallDisk, SmallDisk, TcpProxy
from armature.testing.processes import descendants, frozen
from armature.testing.servers import LocalPostgres, LocalRedis
from armature.testing.servers.local import LocalServer

pytestmark = pytest.mark.slow

TABLE = "create table notes (text text not null)"
LARGE = "insert into notes select repeat('x', 1000) from generate_series(1, 2000)"


def psql(port: int, text: str) -> subprocess.CompletedProcess[str]:
    where = ("-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-d", "postgres")
    return subprocess.run(["psql", "-XAtq", *where, "-c", text], capture_output=True, text=True, check=False)


def test_a_full_disk_refuses_writes_and_reads_go_on_until_there_is_space() -> None:
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(SmallDisk(8, owner=LocalPostgres.user if os.geteuid() == 0 else None))
        except NoSmallDisk as refused:
            # Who may not mount gets words, and has the limit on file sizes below.
            assert "cannot be mounted" in str(refused)
            return
        postgres = stack.enter_context(LocalPostgres())
        postgres.sql(f"create tablespace small location '{disk.path}'")
        postgres.sql(f"{TABLE} tablespace small")
        postgres.sql("insert into notes values ('before')")
        disk.fill()
        assert (disk.fills, disk.free_bytes) == (1, 0)
        with pytest.raises(RuntimeError, match="No space left on device"):
            postgres.sql(LARGE)
        assert postgres.sql("select count(*) from notes") == "1"
        disk.free()
        postgres.sql(LARGE.replace("2000", "20"))
        assert postgres.sql("select count(*) from notes") == "21"


def test_who_may_not_mount_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = tmp_path / "mount"
    refusing.write_text("#!/bin/sh\necho 'mount: only root can do that' >&2\nexit 1\n")
    refusing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(NoSmallDisk, match="only root can do that"), SmallDisk(1):
        pass


def test_a_limit_on_file_sizes_fails_writes_and_nothing_else() -> None:
    with LocalPostgres() as postgres:
        postgres.sql(TABLE)
        postgres.sql("insert into notes values ('before')")
        with FileSizeLimit(postgres.pid, 16 * 2**20) as limit:
            assert limit.limited > 1
            with pytest.raises(RuntimeError, match="File too large"):
                postgres.sql(LARGE.replace("2000", "20000"))
            assert postgres.sql("select count(*) from notes") == "1"
        postgres.sql(LARGE.replace("2000", "20000"))
        assert postgres.sql("select count(*) from notes") == "20001"


def test_a_frozen_tree_stands_still_with_its_children_and_goes_on() -> None:
    child = "import time; time.sleep(60)"
    parent = (
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}]); print(p.pid, flush=True); p.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        young = int(process.stdout.readline())
        try:
            assert list(descendants(process.pid)) == [young]
            with frozen(process.pid) as reached:
                assert reached == 2
                assert {state(process.pid), state(young)} == {"T"}
            assert "T" not in {state(process.pid), state(young)}
        finally:
            os.kill(young, 9)
            process.kill()


class Crowd(LocalServer):
    """More processes than the machine has cores, and all of them want to run: a signal takes effect late."""

    name = "crowd"
    size = 8 * (os.cpu_count() or 1)

    def command(self) -> list[str]:
        """Fork, and spin."""
        return [sys.executable, "-c", f"import os\nany(os.fork() == 0 for _ in range({self.size}))\nwhile True: pass"]

    def answers(self) -> bool:
        """All are there."""
        return len(list(descendants(self.pid))) == self.size


def test_a_paused_server_stands_still_when_that_was_said() -> None:
    with Crowd() as crowd:
        there = [crowd.pid, *descendants(crowd.pid)]
        for _ in range(5):
            crowd.pause()
            assert {state(one) for one in there} == {"T"}
            crowd.resume()


def test_freezing_nobody_is_refused() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with pytest.raises(ProcessLookupError, match="no process"), frozen(process.pid):
        pass


def test_a_commit_whose_answer_is_lost_is_there() -> None:
    with LocalPostgres() as postgres, TcpProxy(postgres.port) as proxy:
        postgres.sql(TABLE)
        lost = proxy.when(b"COMMIT", LoseAnswers())
        told = psql(proxy.port, "begin; insert into notes values ('kept'); COMMIT")
        assert told.returncode != 0
        assert (lost.fired, proxy.counts["LoseAnswers"]) == (1, 1)
        assert postgres.sql("select text from notes") == "kept"


def test_a_store_that_went_back_in_time_has_forgotten(tmp_path: Path) -> None:
    with LocalRedis() as redis:
        redis_cli(redis, "set", "early", "1")
        redis.stop()
        redis.keep(tmp_path / "copy")
        redis.start()
        redis_cli(redis, "set", "late", "1")
        redis.stop()
        redis.roll_back(tmp_path / "copy")
        redis.start()
        assert (redis_cli(redis, "get", "early"), redis_cli(redis, "get", "late")) == ("1", "")


def redis_cli(redis: LocalRedis, *words: str) -> str:
    done = subprocess.run(["redis-cli", "-p", str(redis.port), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
