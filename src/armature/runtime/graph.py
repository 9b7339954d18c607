"""The order of modules: those that are needed come before those that need them. Migrations and wiring follow it."""

from collections.abc import Sequence

from armature.runtime.facts import ModuleFacts
from armature.runtime.problems import ModelError, Problem, suggestion

__all__ = ["ordered"]


def ordered(modules: Sequence[ModuleFacts]) -> tuple[ModuleFacts, ...]:
    """Sort modules by their needs, equals by name; raises `ModelError` for unknown needs, doubles and cycles."""
    by_name = {module.name: module for module in modules}
    problems = _doubles(modules) + _unknown(modules, by_name)
    if problems:
        raise ModelError(problems)
    done: dict[str, ModuleFacts] = {}
    waiting = sorted(by_name)
    while waiting:
        ready = next((name for name in waiting if all(need in done for need in by_name[name].needs)), None)
        if ready is None:
            raise ModelError([_cycle(waiting, by_name)])
        done[ready] = by_name[ready]
        waiting.remove(ready)
    return tuple(done.values())


def _doubles(modules: Sequence[ModuleFacts]) -> list[Problem]:
    names = [module.name for module in modules]
    twice = sorted({name for name in names if names.count(name) > 1})
    return [Problem(f"modules/{name}", 0, "", "there are two modules of this name", "rename one") for name in twice]


def _unknown(modules: Sequence[ModuleFacts], by_name: dict[str, ModuleFacts]) -> list[Problem]:
    return [
        Problem(_file(module.name), 0, "needs", f"there is no module '{need}'", suggestion(need, by_name))
        for module in modules
        for need in module.needs
        if need not in by_name
    ]


def _cycle(waiting: Sequence[str], by_name: dict[str, ModuleFacts]) -> Problem:
    """Walk along needs that never become ready; the walk must come back to where it was."""
    trail = [waiting[0]]
    while trail[-1] not in trail[:-1]:
        trail.append(next(need for need in by_name[trail[-1]].needs if need in waiting))
    circle = trail[trail.index(trail[-1]) :]
    cure = f"let one hear of the other by events; for instance '{circle[1]}' publishes and '{circle[0]}' reacts"
    return Problem(_file(circle[0]), 0, "needs", f"modules need each other: {' → '.join(circle)}", cure)


def _file(module: str) -> str:
    return f"modules/{module}/module.yaml"
