"""Rule `ownership`: a module says which tables are its own, and keeps its SQL where it is prepared. What a statement touches,
whose name a table has and whether it exists is then judged by the engine itself (rule `sql`)."""

import ast
from collections.abc import Iterator, Sequence

from armature.checks.finding import Finding
from armature.checks.manifest import ManifestSource, manifest_source
from armature.checks.tree import FACE, Source, Tree
from armature.engine.ddl import created_table, sentences

__all__ = ["findings"]

_WITH_STATEMENTS = ("repository", "projections")


def findings(tree: Tree) -> list[Finding]:
    """Return tables that are not declared or not the module's, and statements out of the checks' sight."""
    names = tree.module_names
    found = list(_names(names))
    for name, sources in tree.modules().items():
        found += [*_tables(tree, name), *_statements(sources)]
    return found


def _names(names: Sequence[str]) -> Iterator[Finding]:
    for name in names:
        owner = next((other for other in (FACE, *names) if name != other and name.startswith(f"{other}_")), None)
        if name == FACE or owner:
            whose = "the framework" if (owner or name) == FACE else f"the module {owner}"
            text = f"tables of {name} would look like those of {whose}"
            yield Finding("ownership:name", f"modules/{name}", 0, text, "rename the module: tables are told apart by its name")


def _tables(tree: Tree, name: str) -> Iterator[Finding]:
    created: dict[str, tuple[str, int]] = {}
    for path in sorted((tree.root / "modules" / name / "migrations").glob("*.sql")):
        file = path.relative_to(tree.root).as_posix()
        for sentence in sentences(path.read_text(encoding="utf-8")):
            table = created_table(sentence)
            words = [word for word in sentence.words if word not in ("if", "exists")]
            if table:
                created.setdefault(table, (file, sentence.line))
            elif words[:2] == ["drop", "table"]:
                created.pop(words[2], None)
            elif words[:2] == ["alter", "table"] and words[3:5] == ["rename", "to"]:
                created.pop(words[2], None)
                created[words[5]] = (file, sentence.line)
    yield from _undeclared(created, manifest_source(tree.root, name))


def _undeclared(created: dict[str, tuple[str, int]], manifest: ManifestSource) -> Iterator[Finding]:
    for table, (file, line) in created.items():
        if table not in manifest.tables:
            text = f"it creates {table}, and module.yaml does not say whose rows it holds"
            yield Finding(
                "ownership:tables", file, line, text, f"add `{table}: tenant` (or global) to `tables:` in {manifest.file}"
            )


def _statements(sources: Sequence[Source]) -> Iterator[Finding]:
    for source in sources:
        makers = {one.alias for one in source.imports if one.module == FACE and one.name in ("select", "change")}
        if not makers or source.part in _WITH_STATEMENTS:
            continue
        for call in source.all(ast.Call):
            if isinstance(call.func, ast.Name) and call.func.id in makers:
                text = f"{source.part} holds SQL, where no check prepares it"
                yield source.found("ownership:place", call, text, "move it to repository.py, or projections.py")
