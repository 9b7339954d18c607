"""What `check sql` needs to know of a module, and how it is read from the module's folder."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from msgspec import Struct, field

from armature.kernel.statement import Statement
from armature.runtime.documents import read

__all__ = ["SqlModule", "sql_module", "statements"]

# The two files of a module that may hold SQL; each may also be a folder of files.
WITH_STATEMENTS = ("repository", "projections")


class SqlModule(Struct, frozen=True):
    """A module as its SQL sees it. `projections_ddl` is text by file; a table not in `tables` belongs to tenants."""

    name: str
    folder: Path
    statements: tuple[Statement, ...] = ()
    projections_ddl: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Literal["tenant", "global"]] = field(default_factory=dict)
    version: str = "0.1.0"

    def per_tenant(self, table: str) -> bool:
        """Tell whether each row of the table belongs to one tenant."""
        return self.tables.get(table, "tenant") == "tenant"

    def owns(self, name: str) -> bool:
        """Tell whether a table or an index of that name is this module's."""
        return name.startswith(f"{self.name}_")


def sql_module(folder: Path) -> SqlModule:
    """Read a module's folder; its Python files are imported as `<parent folder>.<folder>`. Raises what they raise."""
    folder = folder.absolute()
    root = str(folder.parent.parent)
    if root not in sys.path:
        sys.path.insert(0, root)
    written = folder / "module.yaml"
    manifest = read(written, shown_as=str(written)).values if written.exists() else {}
    package = f"{folder.parent.name}.{folder.name}"
    return SqlModule(
        name=str(manifest.get("name", folder.name)),
        folder=folder,
        statements=tuple(statement for name in _files(folder) for statement in statements(f"{package}.{name}")),
        projections_ddl={str(path): path.read_text() for path in sorted((folder / "projections").glob("*.sql"))},
        tables=manifest.get("tables") or {},
        version=str(manifest.get("version", "0.1.0")),
    )


def _files(folder: Path) -> Iterator[str]:
    for name in WITH_STATEMENTS:
        if (folder / f"{name}.py").exists():
            yield name
        else:
            yield from (f"{name}.{path.stem}" for path in sorted((folder / name).glob("[!_]*.py")))


def statements(name: str) -> Iterator[Statement]:
    """Return the statements that a Python module declares, those inside its dicts, lists and tuples included."""
    module: ModuleType = importlib.import_module(name)
    declared = dict.fromkeys(found for value in vars(module).values() for found in _inside(value))
    return (statement for statement in declared if statement.home.rpartition(":")[0] == module.__file__)


def _inside(value: Any) -> Iterator[Statement]:
    if isinstance(value, Statement):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _inside(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _inside(entry)
