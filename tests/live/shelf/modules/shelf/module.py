"""How the shelf is put together."""

from modules.shelf.projections import ShelfLoad
from modules.shelf.service import ShelfService

from armature import Module, Needs


def build(needs: Needs) -> Module:
    """Plain constructors."""
    return Module("shelf", offers=[ShelfService()], projections=[ShelfLoad()])
