"""Named places where a process may be killed, so that a test can kill it exactly there.

A crash test that kills at a random moment seldom hits the few instructions that matter.
`ARMATURE_CRASH=commit.written:3` kills this process with SIGKILL when it passes that place for the third time;
without the variable a place costs one test of a bool.
"""

import os
import signal

__all__ = ["CRASH_POINTS", "crashpoint"]

CRASH_POINTS = frozenset(
    {
        "commit.formed",
        "commit.begun",
        "commit.written",
        "commit.committed",
        "commit.answered",
        "turn.decided",
        "migrate.begun",
        "migrate.written",
        "migrate.recorded",
        "migrate.committed",
        "migrate.walled",
        "projector.applied",
        "projector.committed",
        "sequencer.numbered",
        "sequencer.committed",
        "relay.acknowledged",
        "relay.moved",
        "consumer.committed",
        "replay.built",
        "replay.swapped",
        "archive.written",
        "archive.recorded",
        "archive.trimmed",
        "promote.captured",
        "promote.prepared",
        "promote.copied",
        "promote.completed",
        "promote.followed",
        "promote.verified",
        "promote.sealed",
        "promote.finished",
    }
)
"""Every name there is. A test hits each of them (tests/faults); a name outside this set is refused at start."""

_VARIABLE = "ARMATURE_CRASH"


def crashpoint(name: str) -> None:
    """Die here if the environment says so."""
    if _ARMED:
        _pass(name)


def _parse(text: str) -> tuple[str, int]:
    name, _, count = text.partition(":")
    if name not in CRASH_POINTS or not (count or "1").isdecimal() or int(count or 1) < 1:
        raise ValueError(f"{_VARIABLE}={text!r}: expected <name>:<passing>, the name one of {', '.join(sorted(CRASH_POINTS))}")
    return name, int(count or 1)


def _pass(name: str) -> None:
    global _left
    if name not in CRASH_POINTS:
        raise ValueError(f"{name!r} is no crash point; add it to CRASH_POINTS in {__name__}")
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


_ARMED = bool(os.environ.get(_VARIABLE))
_name, _left = _parse(os.environ[_VARIABLE]) if _ARMED else ("", 0)
