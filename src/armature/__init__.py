"""Armature: the public face. A module imports from here and from its neighbours' contracts, and nothing else."""

from armature.kernel.context import Context
from armature.kernel.contract import Contract
from armature.kernel.event import Event, event
from armature.kernel.failure import Failure, FieldError, Kind
from armature.kernel.module import Module, Needs
from armature.kernel.operation import Rule, command, not_together, query
from armature.kernel.page import Page
from armature.kernel.projection import Fold, Projection, on
from armature.kernel.refusals import Unavailable
from armature.kernel.statement import change, select
from armature.kernel.types import Personal, Secret
from armature.kernel.work import Work
from armature.ports.http import Http, HttpRequest, HttpResponse, OutboundRefused

__version__ = "0.1.0"

__all__ = [
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
    "Rule",
    "Secret",
    "Unavailable",
    "Work",
    "change",
    "command",
    "event",
    "not_together",
    "on",
    "query",
    "select",
]
