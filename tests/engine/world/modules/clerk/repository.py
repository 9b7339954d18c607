"""The SQL of the clerk."""

from modules.clerk.contract import Note

from armature import change, select

NOTE = select(Note, "select id, text, version from clerk_notes where tenant_id = :tenant_id and id = :note_id")
ADD = change("insert into clerk_notes (tenant_id, id, text, version) values (:tenant_id, :id, :text, :version)", row=("id",))
SAVE = change(
    """
update clerk_notes
   set text = :text, version = :version
 where tenant_id = :tenant_id and id = :id and version = :expected
""",
    row=("id",),
    cas="expected",
)
