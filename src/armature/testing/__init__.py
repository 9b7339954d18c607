"""What tests of a project are written with: a whole process on a throw-away database, a clock that is moved by hand, a faked
outside world, and real processes that can be killed. See docs/guides/testing.md."""

from armature.testing.answer import Response
from armature.testing.app import LoggedEvent, TestApp
from armature.testing.clock import Clock
from armature.testing.crash import crash_at
from armature.testing.outbound import OutboundFake
from armature.testing.server import RunningServer

__all__ = ["Clock", "LoggedEvent", "OutboundFake", "Response", "RunningServer", "TestApp", "crash_at"]
