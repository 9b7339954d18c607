"""The SQL of the shelf."""

from modules.shelf.contract import Box

from armature import change, select

BY_ID = select(Box, "select id, weight, version from shelf_boxes where tenant_id = :tenant_id and id = :box_id")
ADD = change("insert into shelf_boxes (tenant_id, id, weight, version) values (:tenant_id, :id, :weight, :version)", row=("id",))
SAVE = change(
    """
update shelf_boxes
   set weight = :weight, version = :version
 where tenant_id = :tenant_id and id = :id and version = :expected
""",
    row=("id",),
    cas="expected",
)
