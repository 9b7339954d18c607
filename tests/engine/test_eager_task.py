"""A task that begins at once: whatever may be asked of a task has the answer that asyncio's own would give."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import uvloop

from armature.engine.eager_task import EagerTask

Work = Callable[[list[object]], Coroutine[Any, Any, None]]
WHOSE: ContextVar[str] = ContextVar("whose", default="nobody's")


async def sits(notes: list[object]) -> None:
    """Sleep for ever, and say how it ended."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError as end:
        notes.append(("cancelled", end.args))
        raise


async def is_late(notes: list[object]) -> None:
    """Meet a timeout, and go on."""
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        notes.append("late")
    await asyncio.sleep(0)
    notes.append("went on")


async def has_children(notes: list[object]) -> None:
    """Let one of a group fail."""

    async def fail() -> None:
        raise KeyError("child")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            group.create_task(asyncio.Event().wait())
    except ExceptionGroup as failed:
        notes.append(repr(failed.exceptions))


async def has_anyio_children(notes: list[object]) -> None:
    """Leave a scope of anyio's from a child."""
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 60)
        await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep_forever()
    notes.append(scope.cancelled_caught)


async def takes_it_back(notes: list[object]) -> None:
    """Survive one request to end."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        notes.append((task.cancelling(), task.uncancel(), task.cancelling()))
    await asyncio.sleep(0)
    notes.append("alive")


async def is_asked_at_its_end(notes: list[object]) -> None:
    """Be asked to end when there is nothing left to wait for."""
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    notes.append((task.cancel("late"), task.cancelling()))


async def takes_back_its_own(notes: list[object]) -> None:
    """Ask itself to end, and take it back before it is told."""
    task = asyncio.current_task()
    assert task is not None
    notes.append((task.cancel("mine"), task.uncancel()))
    await asyncio.sleep(0)
    notes.append("alive")


async def breaks(notes: list[object]) -> None:
    """Raise behind a wait."""
    await asyncio.sleep(0)
    notes.append("broke")
    raise ValueError("broken")


async def waits_for_nonsense(notes: list[object]) -> None:
    """Await what is no future."""

    class Nonsense:
        def __await__(self) -> Any:
            yield 7

    await Nonsense()


ENDS = (is_asked_at_its_end, takes_back_its_own)


async def story(make: Callable[[Coroutine[Any, Any, None]], "asyncio.Future[None]"], work: Work, cancel: bool) -> list[object]:
    notes: list[object] = []
    task = make(work(notes))
    for _ in range(3):
        await asyncio.sleep(0)
    if cancel:
        notes.append(task.cancel("enough"))
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    return [*notes, type(outcome), task.cancelled(), task.cancel()]


def eager(work: Coroutine[Any, Any, None]) -> "asyncio.Future[None]":
    """Begin one from a callback of the loop, as the protocol does."""
    loop = asyncio.get_running_loop()
    made = EagerTask(work, loop)
    loop.call_soon(made.begin)
    return made


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("cancel", [False, True], ids=["left alone", "cancelled"])
@pytest.mark.parametrize(
    "work",
    [sits, is_late, has_children, has_anyio_children, takes_it_back, *ENDS, breaks, waits_for_nonsense],
    ids=lambda work: work.__name__,
)
def test_it_ends_as_a_task_does(work: Work, cancel: bool, run: Callable[[Coroutine[Any, Any, Any]], list[object]]) -> None:
    if work in (sits, takes_it_back) and not cancel:
        return  # it would wait for ever, as a task would
    wanted = run(story(lambda coroutine: asyncio.get_running_loop().create_task(coroutine), work, cancel))
    assert run(story(eager, work, cancel)) == wanted


async def test_it_begins_where_it_is_made_and_needs_no_turn_of_the_loop() -> None:
    loop, notes = asyncio.get_running_loop(), list[object]()

    async def quick() -> None:
        notes.append(id(asyncio.current_task()) == id(made))

    made = EagerTask(quick(), loop)

    def callback() -> None:
        made.begin()
        notes.append(made.done())

    loop.call_soon(callback)
    await made
    assert notes == [True, True]
    assert id(asyncio.current_task()) != id(made)


async def test_within_a_running_task_it_waits_for_its_turn() -> None:
    notes: list[object] = []

    async def quick() -> None:
        notes.append("ran")

    made = EagerTask(quick(), asyncio.get_running_loop())
    made.begin()
    assert notes == []
    await made
    assert notes == ["ran"]


async def test_what_it_sets_in_its_context_stays_there() -> None:
    seen: list[str] = []

    async def sets() -> None:
        WHOSE.set("its own")
        await asyncio.sleep(0)
        seen.append(WHOSE.get())

    made = eager(sets())
    await made
    assert seen == ["its own"]
    assert WHOSE.get() == "nobody's"
