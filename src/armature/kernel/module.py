"""A module as a value, and what it may ask for."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from armature.kernel.background import Background
from armature.kernel.failure import Failure
from armature.kernel.projection import Projection
from armature.kernel.reaction import Reaction

__all__ = ["Module", "Needs"]


class Needs(Struct, frozen=True, kw_only=True):
    """Base of what a module's `build(needs)` may ask for: contracts of neighbours and ports, each by its type.

    A module without needs takes `Needs` itself. Otherwise: `class CartNeeds(Needs, frozen=True): counters: Counters`.
    """


class Module(Struct, frozen=True):
    """What `build` returns; the runtime reads everything else from it.

    `offers` are services (each implements one contract); `constraints` maps the names of unique indexes to the failures
    that a duplicate means; `routes` are hand-written routes of `http.py` that need something `build` was given (those that
    need nothing stand in its list `routes`).
    """

    name: str
    offers: Sequence[object] = ()
    projections: Sequence[Projection] = ()
    constraints: Mapping[str, type[Failure]] = field(default_factory=dict)
    reactions: Sequence[Reaction] = ()
    background: Sequence[Background] = ()
    routes: Sequence[object] = ()
