"""What a reaction cannot be: of two logs at once. Each log has an order of its own, and one place in it is written down."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.topologies.place import build

pytestmark = pytest.mark.slow

RUN = "from armature.cli.main import main; main()"
FILES = {
    "__init__.py": '"""Tells what it hears of counters and of quotas."""\n',
    "contract.py": '"""Nothing may be asked of it."""\n',
    "module.yaml": """
name: gossip
version: 1.0.0
summary: Hears of everything.
uses: [counter.changed, quota.settled]
tables: {gossip_heard: tenant}
""",
    "migrations/0001_heard.sql": """
create table gossip_heard (
    tenant_id text not null,
    id        uuid not null,
    primary key (tenant_id, id)
);
""",
    "module.py": '''"""How the module is put together."""

from modules.gossip.reactions import Tell

from armature import Module, Needs


class GossipNeeds(Needs):
    """Nothing."""


def build(needs: GossipNeeds) -> Module:
    """Plain constructors."""
    return Module("gossip", reactions=[Tell()])
''',
    "reactions.py": '''"""What is done about it."""

from modules.counter.contract import CounterChanged
from modules.quota.contract import Settled

from armature import Context, Reaction, change, on

HEARD = change("insert into gossip_heard (tenant_id, id) values (:tenant_id, :id)", row=("id",))


class Tell(Reaction, name="gossip.tell"):
    """Notes both."""

    @on(CounterChanged)
    async def changed(self, ctx: Context, event: CounterChanged) -> None:
        """Note it."""
        ctx.work.plan(HEARD, id=ctx.new_id())

    @on(Settled)
    async def settled(self, ctx: Context, event: Settled) -> None:
        """Note it."""
        ctx.work.plan(HEARD, id=ctx.new_id())
''',
}


def _village(folder: Path, database: str) -> Path:
    """A village with a gossip who lives on a database."""
    root = build(folder / "village", "services")
    for name, text in FILES.items():
        file = root / "modules/gossip" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    topology = root / "platform/topologies/services.yaml"
    written = yaml.safe_load(topology.read_text())
    written["processes"]["gossip"] = {"modules": ["gossip"], "roles": ["reactor", "relay", "sweeper"], "database": database}
    topology.write_text(yaml.safe_dump(written))
    environment = root / "platform/environments/services.yaml"
    named = yaml.safe_load(environment.read_text())
    named["databases"]["gossip"] = {"adapter": "sqlite", "path": "{data}/gossip.db"}
    environment.write_text(yaml.safe_dump(named))
    return root


@pytest.mark.parametrize("database", ["", "quota", "gossip"])
def test_a_reaction_to_two_logs_is_refused_at_the_start_with_words(database: str, tmp_path: Path) -> None:
    root = _village(tmp_path, database)
    words = ["run", "--topology", "services", "--process", "gossip", "--port", "0", "--data", str(tmp_path / "data")]
    said = subprocess.run([sys.executable, "-c", RUN, *words], cwd=root, text=True, capture_output=True, timeout=120, check=False)
    assert said.returncode == 2 and "Traceback" not in said.stderr, said.stderr
    assert "'gossip.tell' takes events of counter, quota, which are in several logs in this topology" in said.stderr
    assert "write a reaction for each of them" in said.stderr and "modules/gossip/reactions.py" in said.stderr
