"""What the shelf carries, from its events."""

from modules.shelf.contract import Filled, Load

from armature import Fold, Projection, change, on, select

ADD_UP = change(
    """
insert into shelf_load (tenant_id, weight) values (:tenant_id, :more)
    on conflict (tenant_id) do update set weight = shelf_load.weight + excluded.weight
""",
)
LOAD = select(Load, "select weight from shelf_load where tenant_id = :tenant_id")


class ShelfLoad(Projection, name="shelf.load", version=1, tables="load.sql", order="tenant"):
    """The sum of all boxes."""

    @on(Filled)
    def filled(self, fold: Fold, event: Filled) -> None:
        """Add."""
        fold.plan(ADD_UP, more=event.more)
