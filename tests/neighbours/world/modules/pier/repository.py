"""The SQL of the pier."""

from armature import change, select

ADD = change("insert into pier_crates (tenant_id, id, note) values (:tenant_id, :id, :note)", row=("id",))
COUNT = select(int, "select count(*) from pier_crates where tenant_id = :tenant_id and note = :note")
ALL = select(int, "select count(*) from pier_crates where tenant_id = :tenant_id")
CLIMB = select(
    int,
    """
with recursive stairs (step) as (select 1 union all select step + 1 from stairs where step < :steps)
select cast(count(*) as bigint) from stairs s left join pier_crates c on c.note = cast(s.step as text)
""",
)
