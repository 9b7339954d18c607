"""A process that starts pays for what it uses: a fleet starts eight of them at once on one machine."""

import subprocess
import sys

# What draws, what tests, what speaks to vendors that the topology does not name, and what is asked for later.
NEEDLESS = {
    "rich",
    "pygments",
    "prometheus_client",
    "httpx2",
    "opentelemetry",
    "asyncpg",
    "grpc",
    "nats",
    "redis",
    "pytest",
    "hypothesis",
}


def test_a_start_imports_nothing_that_it_may_never_need() -> None:
    asked = "import sys, armature.cli.run; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True)
    assert NEEDLESS & set(done.stdout.split()) == set()


def test_processes_that_call_each_other_are_refused_once_where_nothing_can_carry_the_calls() -> None:
    """Before any of them is started: each of them would refuse, and be started again."""
    asked = "import sys; sys.modules['grpc'] = None\nfrom armature.cli.main import main\nmain(['run', '--topology', 'layered'])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "armature run: processes of this topology call each other by gRPC, and grpcio is not there; "
        "install it with pip install 'armature[grpc]'\n"
    )
