"""Faults that can be switched on and off, and counted: a network between two programs, a disk that fills up, a frozen process.

A fault test asserts that its fault happened; everything here counts what it did. Kills, pauses and stores that go back in time
are methods of `armature.testing.servers`; kills at a named place are `armature.testing.crash`.
"""

from armature.testing.faults.disk import FileSizeLimit, NoSmallDisk, SmallDisk
from armature.testing.faults.modes import Blackhole, Delay, Duplicate, LoseAnswers, Pass, Refuse, Reset, Throttle, Truncate
from armature.testing.faults.proxy import TcpProxy, Trigger

__all__ = [
    "Blackhole",
    "Delay",
    "Duplicate",
    "FileSizeLimit",
    "LoseAnswers",
    "NoSmallDisk",
    "Pass",
    "Refuse",
    "Reset",
    "SmallDisk",
    "TcpProxy",
    "Throttle",
    "Trigger",
    "Truncate",
]
