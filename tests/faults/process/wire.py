"""The callers' line to the server."""

from armature.testing.line import Answered, Line, Lost, NotSent

__all__ = ["Answered", "Line", "Lost", "NotSent"]
