"""Armature: the public face. A module imports from here and from its neighbours' contracts, and nothing else."""

from importlib import import_module

from armature.kernel.background import Background
from armature.kernel.context import Context
from armature.kernel.contract import Contract
from armature.kernel.event import Event, event, upcast
from armature.kernel.failure import Failure, FieldError, Kind
from armature.kernel.module import Module, Needs
from armature.kernel.operation import Rule, cached, command, feed, not_together, query
from armature.kernel.page import Page
from armature.kernel.projection import Fold, Projection, on
from armature.kernel.reaction import Reaction
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import change, select
from armature.kernel.types import Personal, Secret
from armature.kernel.wakeups import Wakeups
from armature.kernel.work import Work
from armature.ports.http import Http, HttpRequest, HttpResponse, OutboundRefused

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`armature.asgi()` gives the whole system as an ASGI application (docs/guides/mounting.md).

    Found when it is asked for: a module imports this face, and must not load the runtime by that.
    """
    if name == "asgi":
        return import_module("armature.runtime.asgi").asgi
    raise AttributeError(f"module 'armature' has no attribute {name!r}")


__all__ = [
    "Background",
    "Context",
    "Contract",
    "Event",
    "Failure",
    "FieldError",
    "Fold",
    "Http",
    "HttpRequest",
    "HttpResponse",
    "Kind",
    "Module",
    "Needs",
    "OutboundRefused",
    "Page",
    "Personal",
    "Projection",
    "Reaction",
    "Rule",
    "Secret",
    "Unavailable",
    "Wakeups",
    "Work",
    "cached",
    "change",
    "command",
    "event",
    "feed",
    "not_together",
    "on",
    "query",
    "select",
    "upcast",
]
