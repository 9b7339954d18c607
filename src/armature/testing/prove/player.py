"""Plays a trace on the nodes of a topology: tenants side by side, the steps of each in order, from node to node in turn."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Any

from armature.kernel.operation import Operation
from armature.testing.client import Client
from armature.testing.prove.context import Recorded, asking
from armature.testing.prove.generator import Generator
from armature.testing.prove.trace import Answer, Step, Trace

__all__ = ["Answers", "ask_all", "play", "record"]

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

Answers = Mapping[str, Sequence[Answer]]
"""The answers to a trace, by tenant in the order of the steps."""

Rest = Callable[[str], Awaitable[None]]
"""Returns when the reactions have taken what a tenant's steps have told so far."""

_NOT_NOW = (503, 504)
_AGAIN_MAX = 40
_PAUSE_SECONDS = 0.1
_requests = count(1)


class _Node(Client):
    def __init__(self, asgi: Asgi) -> None:
        super().__init__()
        self.asgi = asgi


async def record(
    nodes: Sequence[Asgi], generators: Mapping[str, Generator], steps: int, seed: int, told: Callable[[], None], rest: Rest
) -> tuple[Trace, Answers]:
    """Let generated clients live on a topology for so many steps in all; return what they sent and heard."""
    clients = [_Node(asgi) for asgi in nodes]
    share = -(-steps // len(generators))

    async def live(tenant: str, generator: Generator) -> list[tuple[Step, Answer]]:
        heard = []
        for number in range(1, share + 1):
            step = generator.step(number)
            answer = await _send(clients[number % len(clients)], step, seed)
            await _react(rest, step, answer)
            generator.told(step, answer)
            heard.append((step, answer))
            told()
        return heard

    lives = await asyncio.gather(*(live(tenant, one) for tenant, one in generators.items()))
    tenants = dict(zip(generators, lives, strict=True))
    trace = Trace(seed, {tenant: [step for step, _ in heard] for tenant, heard in tenants.items()})
    return trace, {tenant: [answer for _, answer in heard] for tenant, heard in tenants.items()}


async def play(nodes: Sequence[Asgi], trace: Trace, told: Callable[[], None], rest: Rest) -> Answers:
    """Send a recorded trace; return what was answered."""
    clients = [_Node(asgi) for asgi in nodes]

    async def live(steps: Sequence[Step]) -> list[Answer]:
        answers = []
        for at, step in enumerate(steps, start=1):
            answers.append(await _send(clients[at % len(clients)], step, trace.seed))
            await _react(rest, step, answers[-1])
            told()
        return answers

    lives = await asyncio.gather(*(live(steps) for steps in trace.tenants.values()))
    return dict(zip(trace.tenants, lives, strict=True))


async def ask_all(node: Asgi, operations: Sequence[Operation], prefix: str, trace: Trace) -> Answers:
    """Ask what a topology at rest says: every query that needs no argument but ids, for every tenant and id of the trace."""
    client = _Node(node)
    found: dict[str, list[Answer]] = {}
    for tenant, steps in trace.tenants.items():
        paths = sorted({path for one in operations for path in _paths(one, prefix, steps)})
        found[tenant] = [
            await _send(client, Step(tenant, 0, "", "GET", path, {"x-tenant-id": tenant, "x-request-id": "rest"}, ""), trace.seed)
            for path in paths
        ]
    return found


def _paths(operation: Operation, prefix: str, steps: Sequence[Step]) -> list[str]:
    if operation.declared.kind != "query":
        return []
    path = prefix.format(version=operation.version) + operation.path
    if not operation.path_fields:
        return [path]
    if len(operation.path_fields) > 1:
        return []
    before, _, after = path.partition(f"{{{operation.path_fields[0]}}}")
    ids = {step.path.removeprefix(before).partition("/")[0] for step in steps if step.path.startswith(before)}
    return [f"{before}{one}{after}" for one in ids if one and len(one) == 36]


async def _react(rest: Rest, step: Step, answer: Answer) -> None:
    """Wait for what follows from a step: whether it comes before or after the next one is nobody's promise, and would differ."""
    if "armature-position" in answer.headers:
        await rest(step.tenant)


async def _send(client: _Node, step: Step, seed: int) -> Answer:
    """Send a step, again while it is told that nothing happened just now: a busy machine is no difference between topologies."""
    for again in range(_AGAIN_MAX + 1):
        request_id = f"step.{next(_requests):08}"
        with asking(request_id, Recorded.step(seed, step.tenant, step.number)):
            headers = {**step.headers, "x-request-id": request_id}
            answer = await client.request(step.method, step.path, body=step.body.encode(), headers=headers)
        if answer.status not in _NOT_NOW or b'"commit:unknown"' in answer.body or again == _AGAIN_MAX:
            break
        await asyncio.sleep(_PAUSE_SECONDS)
    return Answer.of(answer.status, answer.headers, answer.body)
