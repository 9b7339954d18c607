"""What a migration takes away while the previous release still runs: expand, migrate, and contract a release later.

Replicas of two releases run on one schema. Dropping or renaming what the older one uses, or demanding a column it does not
write, breaks it. `-- contract: 1.4.0 was the last release that read note` above the sentence excuses it, and module.yaml's
version must be later than the release it names.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from armature.checks.finding import Finding
from armature.checks.sql.module import SqlModule
from armature.checks.sql.schema import migrations
from armature.engine.ddl import created_table, sentences
from armature.ports.migrator import Migration, SchemaRefused

__all__ = ["check_contraction"]

_EXCUSE = re.compile(r"--\s*contract:[ \t]*(?P<release>\d+(?:\.\d+)*)?[ \t]*(?P<reason>.*)")


def check_contraction(module: SqlModule) -> Iterator[Finding]:
    """Findings of a module's migrations that the previous release cannot survive."""
    for migration in _written(module):
        found = sentences(migration.text)
        fresh = {name for sentence in found if (name := created_table(sentence))}
        for sentence in found:
            taken = _taken(sentence.words, fresh)
            excuse = next((match for comment in sentence.comments if (match := _EXCUSE.match(comment))), None)
            for text, cure in _judged(taken, excuse, module.version):
                yield Finding("sql:contract", migration.file, sentence.line, text, cure)


def _written(module: SqlModule) -> Iterator[Migration]:
    """The SQL files of every engine; a series that is not whole is another rule's finding."""
    seen = set()
    for dialect in ("sqlite", "postgres"):
        with suppress(SchemaRefused):
            for migration in migrations(module, dialect):
                if not migration.python and migration.file not in seen:
                    seen.add(migration.file)
                    yield migration


def _taken(words: Sequence[str], fresh: set[str]) -> str:
    """Return what a sentence takes from the previous release, "" for nothing."""
    words = [word for word in words if word not in ("if", "exists", "only")]
    table = words[2] if len(words) > 2 else ""
    if words[:1] not in (["drop"], ["alter"]) or words[1] != "table" or table in fresh:
        return ""
    if words[0] == "drop":
        return f"drops table {table}"
    verb, rest = words[3], words[4:]
    if verb == "drop" and rest[0] != "constraint":
        return f"drops column {rest[-2] if rest[-1] == ';' else rest[-1]} of {table}"
    if verb == "rename":
        return f"renames {table if rest[0] == 'to' else 'a column of ' + table}"
    if verb == "alter":
        return f"alters a column of {table}"
    demands = verb == "add" and any(pair == ("not", "null") for pair in itertools.pairwise(rest))
    return f"adds a column to {table} that the previous release does not write" if demands and "default" not in rest else ""


def _judged(taken: str, excuse: re.Match[str] | None, version: str) -> Iterator[tuple[str, str]]:
    if not taken:
        if excuse is not None:
            yield "'-- contract:' excuses nothing", "remove the comment"
        return
    cure = "expand now and contract a release later: -- contract: <last release that used it> <reason>"
    if excuse is None:
        yield f"the previous release cannot run on it: it {taken}", cure
    elif not excuse["release"] or not excuse["reason"].strip():
        yield f"it {taken}, and its excuse names no release or no reason", cure
    elif _parts(excuse["release"]) >= _parts(version):
        text = f"it {taken}, which release {excuse['release']} uses, and this is {version}"
        yield text, "ship it with a later release: raise `version:` in module.yaml, once the other is gone"


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
