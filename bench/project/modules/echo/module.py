"""How the module is put together."""

from modules.echo.service import EchoService

from armature import Module, Needs


def build(needs: Needs) -> Module:
    """Plain constructors."""
    return Module("echo", offers=[EchoService()])
