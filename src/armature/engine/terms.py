"""In whose name a module asks a neighbour. Decided at start for each operation, from the asking module's `uses:` and the
neighbour's `grants:`; the same for a neighbour in this process and for one behind a link.

`as actor`: the caller goes along and may there what the caller may. `as module`: the module asks for itself and may what the
neighbour granted it, whoever called. A module that acts by itself (a reaction, background work) has no caller to send along.
"""

from msgspec import Struct

from armature.engine.call import Call, Identity
from armature.kernel.work import WorkMisuse

__all__ = ["Terms"]


class Terms(Struct, frozen=True):
    """On which terms one module asks one operation. `own` is who asks `as module`; None means `as actor`."""

    asking: str
    operation: str
    own: Identity | None = None

    def identity(self, ctx: Call) -> Identity:
        """Return who calls, as the neighbour is to see it."""
        if self.own is not None:
            return self.own
        if ctx.identity.by_itself:
            raise WorkMisuse(
                f"{ctx.operation} asks {self.operation} as its actor, and a module that acts by itself has none; "
                f"write `{self.operation} as module` in uses: of modules/{self.asking}/module.yaml"
            )
        return ctx.identity
