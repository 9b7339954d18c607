"""What a module does about what happened elsewhere: a command whose caller is an event.

A reaction decides and plans as a command does and commits in one unit, together with the note that this consumer has taken
this event. So its effect happens once, however often the event is delivered (laws 6). It calls no neighbour's command and
nothing with an effect outside; that is a job's business.
"""

from typing import ClassVar, Literal

from armature.kernel.event import Event
from armature.kernel.projection import on

__all__ = ["Reaction", "on"]


class Reaction:
    """Base of a reaction: `class Settle(Reaction, name="quota.settle")`, listed in `Module(reactions=[Settle(service)])`.

    `@on(OrderPlaced)` marks the method that takes an event: `async def settle(self, ctx: Context, event: OrderPlaced) -> None`.

    `name` is `module.word`; it is what its progress is kept under, so a new name begins anew. `start` says where a reaction that
    has never run begins: with what is recorded from then on, or with the first event there ever was.
    """

    name: ClassVar[str] = ""
    start: ClassVar[Literal["now", "beginning"]] = "now"

    def __init_subclass__(cls, *, name: str, start: Literal["now", "beginning"] = "now") -> None:
        super().__init_subclass__()
        module, dot, word = name.partition(".")
        if not (dot and module.isidentifier() and word.replace(".", "_").isidentifier()):
            raise TypeError(f"{cls.__name__}: a reaction is called module.word, not {name!r}")
        cls.name, cls.start = name, start
        taken: set[type[Event]] = set()
        for attribute, method in vars(cls).items():
            for event in getattr(method, "__folds__", ()):
                if event in taken:
                    raise TypeError(f"{cls.__name__}.{attribute}: {event.__name__} is taken by another method already")
                taken.add(event)
        if not taken:
            raise TypeError(f"{cls.__name__} reacts to nothing; mark a method with @on(Event)")

    @classmethod
    def methods(cls) -> dict[type[Event], str]:
        """Return, by event type, the name of the method that takes it."""
        return {event: attribute for attribute, method in vars(cls).items() for event in getattr(method, "__folds__", ())}
