"""A fleet whose configuration is missing, malformed or of the wrong kind does not start: it says which key, and no secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from armature.ports.bus import BusRefused
from armature.testing.servers import LocalRedis

from .process.fleet import Fleet
from .process.server import PROJECT

pytestmark = pytest.mark.slow

SECRET = "hunter2-of-the-fleet"
RUN = "from armature.cli.main import main; main()"
WHOLE = {
    "ARMATURE_POSTGRES_URL": f"postgresql://ann:{SECRET}@127.0.0.1:1/shop",
    "ARMATURE_NATS_URL": "nats://127.0.0.1:1",
    "ARMATURE_REDIS_URL": f"redis://:{SECRET}@127.0.0.1:1/0",
}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"ARMATURE_POSTGRES_URL": None}, "ARMATURE_POSTGRES_URL"),
        ({"ARMATURE_NATS_URL": None}, "ARMATURE_NATS_URL"),
        ({"ARMATURE_POSTGRES_URL": f"mysql://ann:{SECRET}@127.0.0.1/shop"}, "database.url"),
        ({"ARMATURE_REDIS_URL": SECRET}, "redis"),
    ],
    ids=["no database", "no broker", "another database", "no address"],
)
def test_a_start_that_could_not_work_is_refused_by_name(tmp_path: Path, changed: dict[str, str | None], named: str) -> None:
    values = {**{name: value for name, value in os.environ.items() if not name.startswith("ARMATURE_")}, **WHOLE}
    environ = {name: value for name, value in {**values, **changed}.items() if value is not None}
    words = ["run", "--topology", "fleet", "--process", "web", "--port", "0", "--data", str(tmp_path / "data")]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], cwd=PROJECT, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0 and named.lower() in said.lower(), said
    assert SECRET not in said and "Traceback" not in said, said


async def test_a_broker_that_throws_away_what_it_holds_is_refused(fleet: Fleet) -> None:
    with LocalRedis(settings={"maxmemory-policy": "allkeys-lru"}) as forgetful:
        relaying = fleet.open("relay", topology="fleet-redis", direct=True, ARMATURE_REDIS_URL=forgetful.url)
        with pytest.raises(BusRefused, match="maxmemory-policy"):
            await relaying.__aenter__()
