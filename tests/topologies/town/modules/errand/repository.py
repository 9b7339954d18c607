"""The SQL of errands."""

from modules.errand.contract import Errand, Runs

from armature import change, select

BY_ID = select(Errand, "select id, done, version from errand_errands where tenant_id = :tenant_id and id = :errand_id")
ADD = change(
    "insert into errand_errands (tenant_id, id, done, version) values (:tenant_id, :id, :done, :version)",
    row=("id",),
)
SAVE = change(
    """
update errand_errands
   set done = :done, version = :version
 where tenant_id = :tenant_id and id = :id and version = :expected
""",
    row=("id",),
    cas="expected",
)
RAN = change("insert into errand_runs (tenant_id, id, errand_id) values (:tenant_id, :id, :errand_id)", row=("id",))
RUNS = select(
    Runs,
    "select count(*) as runs, count(distinct errand_id) as errands from errand_runs where tenant_id = :tenant_id",
)
