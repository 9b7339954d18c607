"""The SQL of the tally."""

from modules.tally.contract import Notes

from armature import change, select

RAN = change(
    "insert into tally_notes (tenant_id, id, counter_id, counted) values (:tenant_id, :id, :counter_id, :counted)", row=("id",)
)
NOTES = select(
    Notes,
    """
select count(*) as notes, count(distinct (counter_id, counted)) as changes from tally_notes where tenant_id = :tenant_id
""",
)
