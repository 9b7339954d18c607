"""Topologies with role `store`: one process owns the SQLite file, the others write through it.

A topology that seats the role on an environment with a SQLite file is meant that way; nothing else has to be said anywhere. Of
several databases each has an owner of its own, or none.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from armature.engine.migrations import found, status
from armature.kernel.refusals import Unavailable
from armature.ports.migrator import Migrator
from armature.runtime.model import Model
from armature.runtime.problems import Problem

__all__ = ["hold_path", "misplaced", "refuse_pending", "socket_path", "stored"]


def stored(model: Model) -> bool:
    """Whether one process owns the file of the model's database."""
    return model.environment.database.adapter == "sqlite" and _owners(model) > 0


def socket_path(model: Model) -> Path:
    """Where the owner is met: in the data folder, as many databases as may share it."""
    return model.data / (f"store-{model.home}.sock" if model.home else "store.sock")


def hold_path(model: Model) -> Path:
    """The lock that makes a process the owner. Beside the file, so that two data folders with one file have one owner."""
    return model.database_path.with_name(f"{model.database_path.name}.owner")


def refuse_pending(migrator: Migrator, modules: Sequence[tuple[str, Path]]) -> None:
    """Refuse a file that its owner has not brought to where this process's files say: the owner is of an older release."""
    pending = [one for one in status(found(modules, migrator.dialect), migrator.applied()) if one.state == "pending"]
    if pending:
        named = f"{pending[0].module}/{pending[0].number:04}_{pending[0].name}"
        cure = "start the process with role store first; it migrates"
        raise Unavailable(what=f"database: {len(pending)} migrations are not applied, the first is {named}; {cure}")


def misplaced(model: Model) -> Iterator[Problem]:
    """What cannot work about the role in this topology, on any of its databases."""
    for home in sorted({spec.database for spec in model.topology.processes.values()}):
        yield from _misplaced_on(model.on(home))


def _misplaced_on(model: Model) -> Iterator[Problem]:
    owners = _owners(model)
    file, adapter = f"platform/topologies/{model.topology.name}.yaml", model.environment.database.adapter
    which = f"the database {model.home}" if model.home else "the database"
    if owners and adapter != "sqlite":
        text = f"role store owns a SQLite file, and {which} of environment {model.environment.name} is {adapter}"
        yield Problem(file, 0, "processes", text, "remove the role: every process reaches that database itself")
    elif owners > 1:
        whose = f" of {which}" if model.home else ""
        text = f"{owners} processes have role store, and one process owns the file{whose}"
        yield Problem(file, 0, "processes", text, "give it to one process with replicas: 1")


def _owners(model: Model) -> int:
    """Count who owns the database of the model; who lives on another one owns that."""
    here = [spec for spec in model.topology.processes.values() if spec.database == model.home]
    return sum(spec.replicas for spec in here if "store" in spec.roles)
