"""From templates to files: a new project, a new module. Nothing is overwritten, and nothing is left half made.

Templates are `templates/**.tmpl` beside this file (`string.Template`); what depends on the columns is made here, one line
for each column, with the comma that keeps a formatter from joining them.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template

from armature.cli.columns import Column
from armature.cli.naming import Names, Refused

__all__ = ["module_words", "write"]

_TEMPLATES = Path(__file__).parent / "templates"
_VOWELS = tuple("aeiou")
_SQL_LINE_MAX = 90


def write(kind: str, target: Path, words: Mapping[str, str]) -> list[Path]:
    """Fill the templates of `kind` into the folder `target`, which must not exist; return the files."""
    if target.exists():
        raise Refused(f"{target} exists already; choose another name, or remove it first")
    written: list[Path] = []
    try:
        for template in sorted((_TEMPLATES / kind).rglob("*.tmpl")):
            name = template.relative_to(_TEMPLATES / kind).as_posix().removesuffix(".tmpl")
            for word in ("MODULE", "ITEMS"):
                name = name.replace(word, words.get(word.lower(), word))
            # Dot files are stored without their dot: packaging tools leave them out.
            path = target / name.replace("_gitignore", ".gitignore").replace("_gitkeep", ".gitkeep")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(Template(template.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")
            written.append(path)
    except OSError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise Refused(f"{target} cannot be written: {error.strerror}; nothing is left of it") from None
    return written


def module_words(names: Names, columns: Sequence[Column]) -> dict[str, str]:
    """Return what the templates of a module ask for."""
    words = names.item.replace("_", " ")
    article = "an" if words.startswith(_VOWELS) else "a"
    item, items = _camel(names.item), _camel(names.items)
    return {
        "module": names.item,
        "item": names.item,
        "items": names.items,
        "Item": item,
        "Items": items,
        "words": words,
        "a_words": f"{article} {words}",
        "A_words": f"{article.capitalize()} {words}",
        "plural_words": names.items.replace("_", " "),
        "path": names.path,
        "table": names.table,
        "datetime_import": "from datetime import datetime\n" if any(one.word == "timestamptz" for one in columns) else "",
        "service_names": _imported(item, items, "Totals"),
        "repository_names": _imported(item, f"{item}NotFound"),
        "projection_names": _imported(f"{item}Created", f"{item}Deleted", f"{item}Edited", "Totals"),
        **_python_lines(columns),
        **_sql_words(columns),
    }


def _python_lines(columns: Sequence[Column]) -> dict[str, str]:
    aliases = sorted({one.alias for one in columns if one.alias})
    return {
        "aliases": "".join(f"{alias}\n" for alias in aliases),
        "fields": _lines(columns, 4, lambda one: f"{one.name}: {one.python}{_null(one)}"),
        "create_arguments": _lines(columns, 8, lambda one: f"{one.name}: {one.checked}{_null(one)}{_none(one)},"),
        "edit_arguments": _lines(columns, 8, lambda one: f"{one.name}: {one.checked} | UnsetType{_null(one)} = UNSET,"),
        "service_create_arguments": _lines(columns, 8, lambda one: f"{one.name}: {one.python}{_null(one)}{_none(one)},"),
        "service_edit_arguments": _lines(columns, 8, lambda one: f"{one.name}: {one.python} | UnsetType{_null(one)} = UNSET,"),
        "plain_arguments": _lines(columns, 4, lambda one: f"{one.name}: {one.python}{_null(one)},"),
        "unset_arguments": _lines(columns, 4, lambda one: f"{one.name}: {one.python} | UnsetType{_null(one)},"),
        "keyword_values": _lines(columns, 8, lambda one: f"{one.name}={one.name},"),
        "passed_on": _lines(columns, 12, lambda one: f"{one.name}={one.name},"),
        "kept_values": _lines(columns, 8, lambda one: f"{one.name}=before.{one.name} if {one.name} is UNSET else {one.name},"),
        "first_sample": _lines(columns, 4, lambda one: f'"{one.name}": {one.samples[0]},'),
        "other_sample": _lines(columns, 4, lambda one: f'"{one.name}": {one.samples[1]},'),
        "first_column": columns[0].name,
    }


def _sql_words(columns: Sequence[Column]) -> dict[str, str]:
    names = ["id", *(one.name for one in columns), "version"]
    return {
        "columns": _joined(names, 7),
        "inserted": _joined(["tenant_id", *names], 13),
        "parameters": _joined([f":{name}" for name in ["tenant_id", *names]], 8),
        "assignments": _joined([f"{name} = :{name}" for name in names[1:]], 7),
        "ddl": _lines(columns, 4, lambda one: f"{one.name} {one.word}{'' if one.nullable else ' not null'},"),
    }


def _joined(parts: Sequence[str], indent: int) -> str:
    """Return a list of SQL on one line, or, where that gets long, on a line for each."""
    line = ", ".join(parts)
    return line if len(line) <= _SQL_LINE_MAX else (",\n" + " " * indent).join(parts)


def _imported(*names: str) -> str:
    return "\n".join(f"    {name}," for name in sorted(names))


def _lines(columns: Sequence[Column], indent: int, line: Callable[[Column], str]) -> str:
    return "\n".join(" " * indent + line(column) for column in columns)


def _null(column: Column) -> str:
    return " | None" if column.nullable else ""


def _none(column: Column) -> str:
    return " = None" if column.nullable else ""


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
