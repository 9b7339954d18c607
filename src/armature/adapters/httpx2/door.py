"""The door to the HTTP client: opened only when a module asks for port `http`.

The client takes a tenth of a second to import, a third of a start; a system that calls nobody does not pay for it.
"""

from importlib import import_module

from armature.engine.policies import OutboundPolicy
from armature.ports.http import Http

__all__ = ["open_http"]


def open_http(policy: OutboundPolicy) -> Http:
    """Return the real client of one process."""
    client: Http = import_module("armature.adapters.httpx2.http").Httpx2Http(policy)
    return client
