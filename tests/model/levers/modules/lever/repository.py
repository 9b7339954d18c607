"""The SQL of levers, short, long, and long in disguise."""

from modules.lever.contract import Lever

from armature import change, select

BY_ID = select(Lever, "select id, note, version from lever_levers where tenant_id = :tenant_id and id = :lever_id")
ADD = change("insert into lever_levers (tenant_id, id, note, version) values (:tenant_id, :id, :note, :version)", row=("id",))
SAVE = change(
    """
update lever_levers
   set note = :note, version = :version
 where tenant_id = :tenant_id and id = :id and version = :expected
""",
    row=("id",),
    cas="expected",
)
WIPE = change("update lever_levers set note = '' where tenant_id = :tenant_id", rows=None)
# One step of SQLite's machine each, however long it takes: no limit on steps stops them.
STALL = select(int, "select length(hex(randomblob(:size)))")
TOIL = change(
    "update lever_levers set note = substr(hex(randomblob(:size)), 1, 1) where tenant_id = :tenant_id and version = 1", rows=None
)
CLIMB = select(
    int,
    """
with recursive stairs (step) as (select 1 union all select step + 1 from stairs where step < :steps)
select cast(count(*) as bigint) from stairs s left join lever_levers l on l.version = s.step
""",
)
