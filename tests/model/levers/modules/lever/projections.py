"""Two read models: one sets a poisoned stream aside, the other stops."""

from modules.lever.contract import Pulled

from armature import Fold, Projection, change, on, select

ADD_LINE = change(
    "insert into lever_lines (tenant_id, lever_id, version, number) values (:tenant_id, :lever_id, :version, :number)",
    row=("lever_id", "version", "number"),
)
ADD_PULL = change(
    """
insert into lever_strict (tenant_id, pulls) values (:tenant_id, 1)
    on conflict (tenant_id) do update set pulls = lever_strict.pulls + 1
""",
)
PULLS = select(int, "select pulls from lever_strict where tenant_id = :tenant_id")


class Lines(Projection, name="lever.lines", version=1, tables="lines.sql", order="stream"):
    """As many lines as each pull wanted."""

    @on(Pulled)
    def pulled(self, fold: Fold, event: Pulled) -> None:
        """Add the lines."""
        if event.lines < 0:
            raise ValueError("so few lines cannot be written")
        for number in range(event.lines):
            fold.plan(ADD_LINE, event, number=number)


class Strict(Projection, name="lever.strict", version=1, tables="strict.sql", order="log"):
    """The number of pulls."""

    @on(Pulled)
    def pulled(self, fold: Fold, event: Pulled) -> None:
        """Count it."""
        if event.lines < 0:
            raise ValueError("so few lines cannot be counted")
        fold.plan(ADD_PULL)
