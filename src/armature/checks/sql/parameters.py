"""Do parameters fit the columns they are compared with or stored in, as far as their types are known?

Known are the tenant, the version that `cas` carries, what the log tells a fold of each event, and what else the same
parameter is used for. Everything else is bound from structs, whose types the call checks.
"""

from collections.abc import Iterator

from armature.checks.finding import Finding
from armature.checks.sql.projections import in_projections
from armature.checks.sql.schema import Column
from armature.checks.sql.shape import KINDS, struct_kinds
from armature.checks.sql.statement import Prepared
from armature.engine.ddl import Token
from armature.kernel.projection import Recorded
from armature.kernel.statement import Change

__all__ = ["check_parameters", "parameter_words"]

_COMPARES = frozenset("=<>!")


def check_parameters(prepared: Prepared) -> Iterator[Finding]:
    """Findings where a parameter cannot be what its column holds, or would have to be two things."""
    known = _known(prepared)
    places: dict[str, dict[str, Column]] = {}
    for name, column in _places(prepared):
        places.setdefault(name, {})[column.word] = column
    for name, columns in places.items():
        if len(columns) > 1 and len({frozenset(KINDS.get(word, ())) for word in columns}) > 1:
            said = " and ".join(f"{column.table}.{column.name} ({word})" for word, column in sorted(columns.items()))
            yield prepared.finding("sql:parameter", f":{name} is used for {said}", "use two parameters, or the right column")
        for word, column in columns.items():
            if name in known and word in KINDS and known[name] not in KINDS[word]:
                text = f":{name} is {known[name]}, {column.table}.{column.name} is {word}"
                yield prepared.finding("sql:parameter", text, "use the right column, or give the parameter another name")


def parameter_words(prepared: Prepared) -> dict[str, set[str]]:
    """Return the column words that each parameter is compared with or stored in."""
    found: dict[str, set[str]] = {}
    for name, column in _places(prepared):
        found.setdefault(name, set()).add(column.word)
    return found


def _known(prepared: Prepared) -> dict[str, str]:
    statement = prepared.statement
    known = {"tenant_id": "text"}
    if not isinstance(statement, Change):
        return known
    if statement.cas is not None:
        known[statement.cas] = "int"
    # A fold binds a name from the event before it looks at the log, so only what an event would not carry is certain.
    if in_projections(statement):
        known |= {name: held for name, held in struct_kinds(Recorded).items() if name in ("occurred_at", "position", "event_id")}
    return known


def _places(prepared: Prepared) -> Iterator[tuple[str, Column]]:
    spoken = prepared.spoken
    for at, token in enumerate(spoken[1:], start=1):
        if token.kind == "word" and spoken[at - 1].text == ":":
            column = _left(prepared, at - 2) or _right(prepared, at + 1)
            if column is not None:
                yield token.text, column
    yield from _inserted(prepared)


def _left(prepared: Prepared, at: int) -> Column | None:
    """The column in `column = :p`, `column in (:p)`."""
    spoken = prepared.spoken
    if at > 1 and spoken[at].text == "(" and spoken[at - 1].word == "in":
        at -= 2
    elif at > 0 and spoken[at].text in _COMPARES:
        while at > 0 and spoken[at].text in _COMPARES:
            at -= 1
    else:
        return None
    return _column(prepared, at)


def _right(prepared: Prepared, at: int) -> Column | None:
    """The column in `:p = column`."""
    spoken = prepared.spoken
    if at >= len(spoken) or spoken[at].text not in _COMPARES:
        return None
    while at < len(spoken) and spoken[at].text in _COMPARES:
        at += 1
    if at + 2 < len(spoken) and spoken[at + 1].text == ".":
        at += 2
    return _column(prepared, at) if at < len(spoken) else None


def _column(prepared: Prepared, at: int) -> Column | None:
    spoken: list[Token] = prepared.spoken
    if at < 0 or spoken[at].kind not in ("word", "quoted") or (at and spoken[at - 1].text == ":"):
        return None
    qualifier = spoken[at - 2].word if at > 1 and spoken[at - 1].text == "." else None
    return prepared.column(spoken[at].word, qualifier)


def _inserted(prepared: Prepared) -> Iterator[tuple[str, Column]]:
    """The columns in `insert into t (a, b) values (:a, :b)`."""
    texts = [token.word for token in prepared.spoken]
    if texts[:2] != ["insert", "into"] or "values" not in texts or texts[3] != "(":
        return
    columns = _list(texts, 3)
    values = _list(texts, texts.index("values") + 1)
    known = prepared.schema.columns(texts[2])
    for (name, *_), value in zip(columns, values, strict=False):
        if len(value) == 2 and value[0] == ":" and name in known:
            yield value[1], known[name]


def _list(texts: list[str], opens: int) -> list[list[str]]:
    depth, items = 0, [[]]  # type: tuple[int, list[list[str]]]
    for text in texts[opens:]:
        depth += (text == "(") - (text == ")")
        if depth == 0:
            break
        if depth == 1 and text == ",":
            items.append([])
        elif text != "(" or depth > 1:
            items[-1].append(text)
    return [item for item in items if item]
