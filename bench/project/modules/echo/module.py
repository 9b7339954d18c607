"""How the module is put together."""

from armature import Module, Needs
from modules.echo.service import EchoService


def build(needs: Needs) -> Module:
    """Plain constructors."""
    return Module("echo", offers=[EchoService()])
