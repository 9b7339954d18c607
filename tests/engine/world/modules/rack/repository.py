"""The SQL of the rack."""

from modules.rack.contract import Item

from armature import change, select

BY_ID = select(Item, "select id, name, size, version from rack_items where tenant_id = :tenant_id and id = :item_id")
ADD = change(
    "insert into rack_items (tenant_id, id, name, size, version) values (:tenant_id, :id, :name, :size, :version)", row=("id",)
)
SAVE = change(
    """
update rack_items
   set size = :size, version = :version
 where tenant_id = :tenant_id and id = :id and version = :expected
""",
    row=("id",),
    cas="expected",
)
REMOVE = change(
    "delete from rack_items where tenant_id = :tenant_id and id = :id and version = :expected", row=("id",), cas="expected"
)
SHRINK_ALL = change("update rack_items set size = 0, version = version + 1 where tenant_id = :tenant_id", rows=None)
