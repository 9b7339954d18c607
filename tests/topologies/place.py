"""The project of the stories: the modules of this repository and the town's errands, on the platform that ships."""

from pathlib import Path
from typing import Any

import yaml

__all__ = ["ALL", "ROOT", "build"]

ROOT = Path(__file__).parents[2]
ALL = ("single", "single-postgres", "fleet", "fleet-redis", "layered", "services", "split", "store")

_MODULES = (*(ROOT / "modules" / name for name in ("counter", "quota", "desk")), Path(__file__).parent / "town/modules/errand")
# In a fleet two processes stand ready to relay and to run reactions.
_REACTING = ["relay", "reactor"]


def build(folder: Path, topology: str) -> Path:
    """Write the project with one topology into a folder whose name becomes that of the installation; return its root."""
    (folder / "modules").mkdir(parents=True)
    for module in _MODULES:
        (folder / "modules" / module.name).symlink_to(module, target_is_directory=True)
    for part in ("environments", "topologies"):
        (folder / "platform" / part).mkdir(parents=True)
    for path in (ROOT / "platform/environments").glob("*.yaml"):
        (folder / "platform/environments" / path.name).write_text(path.read_text())
    policies = yaml.safe_load((ROOT / "platform/policies.yaml").read_text())
    # The stories reset as often as they like.
    # All processes of a town share one loop: a turn takes longer than where each has a core.
    policies["commands"] = {"turn_seconds": 5.0}
    policies["limits"] = {"operations": {"counter.reset": "100000/minute"}}
    (folder / "platform/policies.yaml").write_text(yaml.safe_dump(policies))
    written = yaml.safe_load((ROOT / f"platform/topologies/{topology}.yaml").read_text())
    (folder / f"platform/topologies/{topology}.yaml").write_text(yaml.safe_dump(_reacting(written)))
    return folder


def _reacting(topology: dict[str, Any]) -> dict[str, Any]:
    processes = topology["processes"]
    if "relay" in processes:
        processes["relay"] = {"roles": _REACTING, "replicas": 2}
        processes.pop("reactor", None)
    if "keeper" in processes and "relay" in processes["keeper"]["roles"]:
        # Services: the errands are one more, which two processes host.
        processes["errand"] = {"modules": ["errand"], "roles": ["neighbour", "projector", "watcher", *_REACTING], "replicas": 2}
        processes["keeper"] = {"roles": ["sweeper"]}
    if "quota" in {spec.get("database") for spec in processes.values()}:
        # Each service has a log of its own; the errands share that of the counters.
        processes["counter"]["modules"].append("errand")
        processes["counter"]["roles"] += ["watcher", *_REACTING]
    return topology
