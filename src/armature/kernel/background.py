"""What a module does by itself, without being asked: poll or follow an outside system, and carry what it finds into its tables.

    class Follow(Background, name="rate.follow", pause_seconds=60):
        async def step(self, ctx: Context) -> bool:
            said = await self._http.send(ctx, HttpRequest(method="GET", url=RATES))
            ...
            return False

One process at a time runs it. A step that fails is tried again, later each time; `module.py` lists it: `background=[Follow(…)]`.
"""

from typing import ClassVar

from armature.kernel.context import Context

__all__ = ["Background"]


class Background:
    """One piece of work that never ends, done in steps: `class Follow(Background, name="rate.follow", pause_seconds=60)`.

    A name that is not `module.word`, and a pause that is not above 0, raise TypeError when the class is made.
    """

    name: ClassVar[str]
    """`module.name`; the name of its lease and of its trouble in readiness."""
    pause_seconds: ClassVar[float]
    """How long to rest when a step says that there is nothing more to do."""
    tenant_id: ClassVar[str]
    """Whose rows it writes."""

    def __init_subclass__(cls, *, name: str = "", pause_seconds: float = 1.0, tenant_id: str = "public") -> None:
        super().__init_subclass__()
        if not name:
            return
        module, dot, rest = name.partition(".")
        if not dot or not module or not rest:
            raise TypeError(f"{cls.__name__}: the name {name!r} is not of the form 'module.name'")
        if pause_seconds <= 0:
            raise TypeError(f"{cls.__name__}: pause_seconds is {pause_seconds}, and must be above 0")
        cls.name, cls.pause_seconds, cls.tenant_id = name, pause_seconds, tenant_id

    async def step(self, ctx: Context) -> bool:
        """Do one bounded piece of work; True when there is more to do at once. May run again after a crash at any place.

        `ctx.work` reads and plans as a command's does, and is committed when the step returns. It is of the module's service
        actor. What takes long (an outside call) belongs before the first read, and must be harmless when it is made again. Who
        waits for what a step has planned is woken by the next one, when it is committed. A step that takes longer than five
        minutes is cut off from its outside calls by its deadline.
        """
        raise NotImplementedError
