"""One contract in Python: its structs, its refusals, and a class for each way of calling."""

from collections.abc import Iterator, Sequence

from armature.clients.blocking import blocking
from armature.clients.python_class import PythonClass
from armature.clients.python_words import Words, docstring, identifier
from armature.clients.surface import Contract, Enumeration, Record, Refusal

__all__ = ["api_name", "contract_file", "refusal_classes"]

# What a refusal has of its own; a field of that name gets another one.
_OF_REFUSALS = ("problem", "request_id", "transient", "wires", "args", "add_note", "with_traceback")


def api_name(contract: Contract) -> str:
    """Return the name of the blocking class."""
    return contract.title if contract.title not in contract.types() else f"{contract.title}Api"


def contract_file(contract: Contract) -> str:
    """Return the contract's file, from the imports down."""
    types = contract.types()
    title = api_name(contract)
    words = Words([*contract.names(), *types, title, f"Async{title}"])
    body = [*_enumerations(contract.enumerations, words), *_records(contract.records, words)]
    body += [*refusal_classes(contract.refusals, words), *_known(contract, words)]
    made = PythonClass(contract, title, words)
    body += made.constants()
    twin = "\n".join(made.lines())
    names = sorted([*types, title, f"Async{title}"])
    offered = "__all__ = [\n" + "".join(f'    "{name}",\n' for name in names) + "]\n\n"
    return "\n".join([words.imports(), "", offered, *body, "", twin, "", "", blocking(twin)]) + "\n"


def refusal_classes(refusals: Sequence[Refusal], words: Words) -> Iterator[str]:
    """Return a class for each refusal."""
    for one in refusals:
        names = {field.wire: identifier(field.name, _OF_REFUSALS) for field in one.fields}
        yield f"class {one.name}({words.take('._refusals', 'Refused')}):"
        yield docstring(one.doc or one.code, "    ")
        yield ""
        yield f'    code = "{one.code}"'
        renamed = {name: wire for wire, name in names.items() if name != wire}
        if renamed:
            yield f"    wires = {renamed!r}"
        for field in one.fields:
            yield f"    {names[field.wire]}: {words.type(field.type)}"
        yield "\n"


def _known(contract: Contract, words: Words) -> Iterator[str]:
    refused, mapping = words.take("._refusals", "Refused"), words.take("collections.abc", "Mapping")
    yield f"_REFUSALS: {mapping}[{words.take('builtins', 'str')}, {words.take('builtins', 'type')}[{refused}]] = {{"
    yield f"    **{words.take('.refusals', 'PLATFORM')},"
    yield from (f"    {one.name}.code: {one.name}," for one in contract.refusals)
    yield "}"


def _enumerations(every: Sequence[Enumeration], words: Words) -> Iterator[str]:
    for one in every:
        yield f"class {one.name}({words.take('enum', 'Enum')}):"
        yield docstring(one.doc or one.name, "    ")
        yield ""
        yield from (f"    {name} = {value!r}" for name, value in one.members)
        yield "\n"


def _records(every: Sequence[Record], words: Words) -> Iterator[str]:
    for one in every:
        tag = f", tag_field={one.tag_field!r}, tag={one.tag!r}" if one.tag is not None else ""
        yield f"class {one.name}({words.take('msgspec', 'Struct')}, frozen=True, kw_only=True{tag}):"
        yield docstring(one.doc or one.name, "    ")
        yield ""
        yield from (f"    {words.field(field)}" for field in one.fields)
        yield "\n"
