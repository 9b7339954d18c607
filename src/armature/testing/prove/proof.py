"""The proof itself: record on the first topology, play on the others, and say what differs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter

from msgspec import Struct

from armature.testing.prove.dump import dump, settled
from armature.testing.prove.generator import Generator
from armature.testing.prove.player import Answers, ask_all, play, record
from armature.testing.prove.stage import Servers, Stage
from armature.testing.prove.trace import Trace
from armature.testing.prove.verdict import Played, differences
from armature.testing.reacted import Rest

__all__ = ["Proof", "Watch", "prove"]

TENANTS = 16
"""Clients that live side by side; each is a tenant of its own, so that their order among each other means nothing."""


class Watch(Struct, frozen=True):
    """Whom to tell how far it is."""

    begun: Callable[[str, int], None] = lambda topology, steps: None
    step: Callable[[], None] = lambda: None
    done: Callable[[Played], None] = lambda played: None


class Proof(Struct, frozen=True):
    """What came of it; without differences all topologies are one system."""

    trace: Trace
    played: tuple[Played, ...]
    differences: tuple[str, ...]


async def prove(
    root: Path, topologies: Sequence[str], *, commands: int, seed: int, trace: Trace | None = None, watch: Watch | None = None
) -> Proof:
    """Play one trace on every topology and compare. Without a `trace` one of `commands` steps is recorded on the first."""
    watch = watch or Watch()
    servers = Servers()
    played: list[Played] = []
    try:
        for topology in topologies:
            async with Stage(root, topology, servers) as stage:
                watch.begun(topology, trace.steps if trace else commands)
                trace, one = await _played(stage, trace, commands, seed, watch)
            played.append(one)
            watch.done(one)
    finally:
        servers.close()
    if trace is None:
        raise ValueError("there is no topology to prove anything on")
    found = [text for other in played[1:] for text in differences(trace, played[0], other)]
    return Proof(trace, tuple(played), tuple(found))


async def _played(stage: Stage, trace: Trace | None, commands: int, seed: int, watch: Watch) -> tuple[Trace, Played]:
    began = perf_counter()
    nodes = [system.app for system in stage.nodes]
    prefix = stage.model.policies.http.prefix
    cores = stage.cores
    rest = Rest(cores).of
    answers: Answers
    if trace is None:
        roles = sorted(stage.model.policies.roles)
        names = [f"tenant-{number}" for number in range(TENANTS)]
        clients = {name: Generator(stage.operations, prefix, roles, name, seed) for name in names}
        trace, answers = await record(nodes, clients, commands, seed, watch.step, rest)
    else:
        answers = await play(nodes, trace, watch.step, rest)
    await settled(*cores)
    left = await dump(cores, stage.project, list(trace.tenants))
    reads = await ask_all(nodes[-1], stage.operations, prefix, trace)
    return trace, Played(stage.topology, len(nodes), answers, left, reads, perf_counter() - began)
