"""Read models are built by folds alone: what a command wrote into one would be lost with the next generation (laws 9)."""

from collections.abc import Iterator
from pathlib import Path

from armature.checks.finding import Finding
from armature.checks.sql.module import SqlModule
from armature.checks.sql.statement import found_at
from armature.engine.ddl import tables
from armature.kernel.statement import Change, Statement

__all__ = ["check_projections", "in_projections"]


def in_projections(statement: Statement) -> bool:
    """Tell whether a statement was declared beside the folds."""
    file = Path(statement.home.rpartition(":")[0])
    return "projections" in (file.stem, file.parent.name)


def check_projections(statement: Statement, module: SqlModule) -> Iterator[Finding]:
    """Findings where a fold writes what is no read model, or anything else writes one."""
    if not isinstance(statement, Change) or not module.owns(statement.table):
        return
    own = {table for text in module.projections_ddl.values() for table in tables(text)}
    if in_projections(statement) and statement.table not in own:
        cure = "create it in projections/*.sql, or move the statement to repository.py"
        yield found_at(statement, "sql:projection", f"a fold writes {statement.table}, which no projection owns", cure)
    if not in_projections(statement) and statement.table in own:
        cure = "publish an event and let the fold write it"
        yield found_at(statement, "sql:projection", f"it writes {statement.table}, which only a fold may write", cure)
